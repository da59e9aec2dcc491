/** What an evaluation says, in a sentence and in a drawing: the interval of the difference on a line with its zero. */

import { h, svg } from '../lib/dom.js';
import { others } from '../lib/elements.js';
import { count, percent, points, pValue } from '../lib/format.js';

/**
 * The sentence that one would pass on.
 * @param {any} evaluation
 * @returns {{sentence: string, detail: string | null}}
 */
export function verdictOf(evaluation) {
    const { results } = evaluation;
    const significance = results?.significance;
    if (results?.base_model === null) return alone(results);
    if (!significance) return { sentence: 'Completed. Nothing says whether the difference may be chance.', detail: null };
    const rows = `${count(significance.n)} rows`;
    const difference = typeof results.fine_tuned?.score === 'number' ? results.fine_tuned.score - results.base_model?.score : results.improvement?.accuracy_difference;
    const words = {
        better: `The fine-tuned model is better${typeof difference === 'number' ? ` by ${points(difference).replace('+', '')} points` : ''}.`,
        worse: `The fine-tuned model is worse${typeof difference === 'number' ? ` by ${points(Math.abs(difference)).replace('+', '')} points` : ''}.`,
        not_distinguishable: `No difference can be told from ${rows}.`,
    };
    const sentence = words[/** @type {keyof typeof words} */ (significance.verdict)] ?? String(significance.verdict);
    return { sentence, detail: detailOf(results, significance) };
}

/**
 * The figure of a model that was asked without a base.
 * @param {any} results
 * @returns {{sentence: string, detail: string | null}}
 */
function alone({ fine_tuned: tuned, n }) {
    const name = typeof tuned?.score === 'number' ? 'score' : 'accuracy';
    if (typeof tuned?.[name] !== 'number') return { sentence: 'Completed. No row has an answer.', detail: null };
    const interval = tuned[`${name}_interval`];
    return {
        sentence: `${name === 'score' ? 'Scored' : 'Right in'} ${percent(tuned[name])}${typeof n === 'number' ? ` of ${count(n)} rows` : ''}.`,
        detail: Array.isArray(interval) ? `95 % interval: ${percent(interval[0])} to ${percent(interval[1])}. There is no base to compare it with.` : null,
    };
}

/**
 * @param {any} results
 * @param {any} significance
 */
function detailOf(results, significance) {
    const graded = typeof results.fine_tuned?.score === 'number';
    const [base, tuned] = [results.base_model, results.fine_tuned].map((role) => (graded ? role?.score : role?.accuracy));
    if (typeof base !== 'number' || typeof tuned !== 'number') return significance.summary ?? null;
    const chance = significance.verdict === 'not_distinguishable'
        ? `The difference may well be chance (${pValue(significance.p_value)}).`
        : `That is hardly chance (${pValue(significance.p_value)}).`;
    return `${graded ? 'Scored' : 'Right in'} ${percent(tuned)} against the base model’s ${percent(base)} of ${count(significance.n)} rows. ${chance}`;
}

/**
 * The interval of the difference, in points.
 * @param {[number, number] | null | undefined} interval
 * @param {number | null | undefined} difference
 * @param {string} verdict
 * @returns {Element | null}
 */
export function intervalLine(interval, difference, verdict) {
    if (!Array.isArray(interval) || typeof interval[0] !== 'number' || typeof interval[1] !== 'number') return null;
    const [low, high] = interval;
    const reach = Math.max(0.05, Math.abs(low), Math.abs(high)) * 1.15;
    const x = (/** @type {number} */ value) => 320 + (value / reach) * 300;
    const middle = typeof difference === 'number' ? difference : (low + high) / 2;
    const words = `95 % interval of the difference: ${points(low)} to ${points(high)} points`;
    const label = (/** @type {number} */ at, /** @type {string} */ text, /** @type {number} */ y, anchor = 'middle') => svg('text', { x: at, y, 'text-anchor': anchor }, text);
    return h('figure', { class: 'block' },
        svg('svg', { class: `interval ${verdict}`, viewBox: '0 0 640 64', role: 'img', 'aria-label': words },
            svg('line', { class: 'axis', x1: 10, x2: 630, y1: 32, y2: 32 }),
            svg('line', { class: 'zero', x1: 320, x2: 320, y1: 14, y2: 50 }),
            svg('line', { class: 'span', x1: x(low), x2: x(high), y1: 32, y2: 32 }),
            svg('circle', { class: 'point', cx: x(middle), cy: 32, r: 6 }),
            label(320, '0', 62),
            label(10, 'base model better', 12, 'start'), label(630, 'fine-tuned better', 12, 'end'),
            label(x(low), points(low), 52), label(x(high), points(high), 52)),
        h('figcaption', { class: 'quiet' }, words));
}

/**
 * Who was right where: both, one, neither.
 * @param {any} results
 * @returns {HTMLElement | null}
 */
export function twoByTwo(results) {
    const significance = results?.significance;
    const base = results?.base_model?.accuracy;
    // Of graded scores it counts the better one, not who was right.
    if (!significance || typeof significance.base_model_only !== 'number' || typeof base !== 'number' || significance.test === 'paired_bootstrap') return null;
    const { n, base_model_only: baseOnly, fine_tuned_only: tunedOnly } = significance;
    const both = Math.round(base * n) - baseOnly;
    const cell = (/** @type {number} */ value, hit = false) => h('td', { class: hit ? 'hit' : null }, count(value));
    return h('table', { class: 'matrix fit' },
        h('caption', { class: 'offscreen' }, 'Which model was right in how many rows'),
        h('thead', null, h('tr', null, h('td'), h('th', { scope: 'col' }, 'Fine-tuned right'), h('th', { scope: 'col' }, 'Fine-tuned wrong'))),
        h('tbody', null,
            h('tr', null, h('th', { scope: 'row' }, 'Base right'), cell(both), cell(baseOnly, true)),
            h('tr', null, h('th', { scope: 'row' }, 'Base wrong'), cell(tunedOnly, true), cell(n - both - baseOnly - tunedOnly))));
}

/**
 * What was expected against what was answered.
 * @param {string} title
 * @param {string[]} labels
 * @param {number[][]} rows
 * @returns {HTMLElement}
 */
export function confusion(title, labels, rows) {
    return h('div', { class: 'block' }, h('h3', null, title), h('div', { class: 'table-scroll', tabindex: '0', role: 'region', 'aria-label': title },
        h('table', { class: 'matrix fit' },
            h('caption', { class: 'offscreen' }, `${title}: rows are what was expected, columns what was answered`),
            h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'expected ↓ answered →'),
                [...labels, 'invalid'].map((label) => h('th', { scope: 'col' }, others(label))))),
            h('tbody', null, rows.map((row, i) => h('tr', null, h('th', { scope: 'row' }, others(labels[i] ?? '')),
                row.map((value, j) => h('td', { class: i === j ? 'hit' : null }, value ? count(value) : h('span', { class: 'quiet' }, '·')))))))));
}
