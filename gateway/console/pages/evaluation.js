/** One evaluation: the verdict first, then what it rests on, down to each row. */

import { get, isAbort, send } from '../lib/api.js';
import { h, replace } from '../lib/dom.js';
import { ask, choice, facts, heading, marked, others, problem, section, state, table, time } from '../lib/elements.js';
import { count, duration, elapsed, figure, percent, plural, points, pValue, spoken, testName } from '../lib/format.js';
import { difference } from '../evaluation/words.js';
import { confusion, intervalLine, twoByTwo, verdictOf } from '../evaluation/verdict.js';

const POLL_MS = 2_000;
const ROWS = 25;
const SHOWN_CHARACTERS = 2_000;
const RATIOS = ['accuracy', 'score', 'precision', 'recall', 'f1_score'];
const TIMES = ['avg_response_time_ms', 'p50_response_time_ms', 'p95_response_time_ms'];
const COUNTS = ['invalid', 'extracted', 'truncated'];
const ONLY = /** @type {Record<string, string>} */ ({ fine_tuned: 'Only the fine-tuned was right', base_model: 'Only the base was right', tie: 'Both alike' });
const BETTER = /** @type {Record<string, string>} */ ({ fine_tuned: 'The fine-tuned is better', base_model: 'The base is better', tie: 'Both alike' });
const WINNERS = /** @type {[string, string][]} */ ([['', 'all rows'], ['fine_tuned', 'only the fine-tuned was right'], ['base_model', 'only the base was right'], ['tie', 'both alike']]);

/**
 * @param {import('../main.js').Page} page
 * @param {HTMLElement} root
 */
export async function show(page, root) {
    const path = `/evaluations/${page.params.id}`;
    let evaluation = await get(path, { signal: page.signal });
    page.setTitle(`Evaluation ${evaluation.id}`);
    const problems = h('div');
    let shownStatus = '';
    const actions = h('div', { class: 'actions' });
    const details = h('div');
    const head = h('div', { class: 'block' }, heading(['Evaluation ', String(evaluation.id)], actions), details);
    const body = h('div', { class: 'block sections-of-page' });
    const examples = h('section', { class: 'block', 'aria-label': 'Rows' });
    const before = h('div');
    replace(root, head, problems, body, examples);
    draw();
    page.every(POLL_MS, async () => {
        if (isOver()) return;
        try {
            const present = await get(path, { signal: page.signal });
            const changed = JSON.stringify(present) !== JSON.stringify(evaluation);
            evaluation = present;
            replace(problems);
            if (changed) draw();
        } catch (error) {
            if (!isAbort(error)) replace(problems, problem(error));
        }
    });

    function isOver() {
        return ['completed', 'failed'].includes(evaluation.status);
    }

    function draw() {
        const errorRows = errorsOf(evaluation.results?.errors).length > 0;
        const again = evaluation.status === 'failed' || (evaluation.status === 'completed' && errorRows);
        if (shownStatus !== evaluation.status) {
            shownStatus = evaluation.status;
            replace(actions,
                isOver() ? null : h('button', { type: 'button', class: 'danger', onclick: cancel }, 'Cancel evaluation'),
                again ? h('button', { type: 'button', onclick: () => void retry() }, 'Retry failed rows') : null);
            replace(details, facts([
                ['Status', state(evaluation.status)],
                ['Model', h('a', { href: `/ui/models/${evaluation.model_id}` }, others(evaluation.fine_tuned_name))],
                ['Against', evaluation.base_model_name === null ? 'no base' : base(evaluation)],
                ['Test set', others(evaluation.test_set_path.replace(/^datasets\//, ''))],
                ['Created', time(evaluation.created_at)],
                ['Took', evaluation.completed_at ? duration(elapsed(evaluation.started_at, evaluation.completed_at, Date.now())) : null],
            ]));
        }
        replace(body, evaluation.status === 'completed' && evaluation.results ? results(evaluation, before) : unfinished(evaluation));
        if (isOver()) {
            void showExamples(page, examples, evaluation);
            if (evaluation.status === 'completed') void showBefore(page, before, evaluation);
        }
    }

    function cancel() {
        ask({
            title: 'Cancel this evaluation?', action: 'Cancel evaluation', danger: true,
            body: [h('p', null, 'The rows that are done stay: a retry asks the others only.')],
            onSubmit: async () => {
                await send('POST', `${path}/cancel`, undefined, page.signal);
                evaluation = await get(path, { signal: page.signal });
                draw();
            },
        });
    }

    async function retry() {
        try {
            await send('POST', `${path}/retry`, undefined, page.signal);
            evaluation = await get(path, { signal: page.signal });
            replace(examples);
            draw();
        } catch (error) {
            if (!isAbort(error)) replace(problems, problem(error));
        }
    }
}

/** @param {any} evaluation */
function base({ base_model_id: id, base_model_name: name }) {
    return id ? h('a', { href: `/ui/models/${id}` }, others(name)) : others(name);
}

/** @param {any} evaluation */
function unfinished(evaluation) {
    const { status, progress } = evaluation;
    if (status === 'failed') return h('div', { class: 'problem' }, h('span', { 'aria-hidden': 'true' }, '✕ '), others(evaluation.error ?? 'It failed and did not say why.'));
    if (status === 'pending') return h('p', null, 'It waits for an evaluation worker.');
    if (status === 'completed') return h('p', { class: 'quiet' }, 'Completed without results.');
    const done = progress?.answers ?? 0;
    const total = progress?.answers_total ?? null;
    return h('div', { class: 'block', role: 'status' },
        h('progress', { class: 'wide', value: total ? done : undefined, max: total ?? undefined, 'aria-label': 'Answers' }),
        h('p', null, total ? `${Math.floor((done / total) * 100)} %: ` : null, `${count(done)}${total === null ? '' : ` of ${count(total)}`} answers`,
            progress?.errors ? h('span', { class: 'warn' }, `, ${plural(progress.errors, 'error')}`) : null,
            typeof progress?.eta_seconds === 'number' ? h('span', { class: 'quiet' }, `, about ${duration(progress.eta_seconds)} left`) : null),
        progress?.message ? h('p', null, others(progress.message)) : null,
        warnings(progress?.warnings));
}

/** @param {unknown} sentences */
function warnings(sentences) {
    return Array.isArray(sentences) ? sentences.map((sentence) => h('p', { class: 'notice' }, '⚠ ', others(String(sentence)))) : null;
}

/**
 * @param {any} evaluation
 * @param {HTMLElement} before
 */
function results(evaluation, before) {
    const { results } = evaluation;
    const significance = results.significance;
    const { sentence, detail } = verdictOf(evaluation);
    const square = twoByTwo(results);
    return [
        h('div', { class: 'block' }, h('p', { class: 'verdict' }, sentence), detail ? h('p', { class: 'verdict-detail' }, detail) : null),
        evaluation.stale ? h('p', { class: 'notice' }, '⚠ The model’s files have changed since: this is about what they were.') : null,
        warnings(results.warnings),
        intervalLine(significance?.score_difference_interval ?? significance?.accuracy_difference_interval, significance?.score_difference_interval ? results.fine_tuned.score - results.base_model.score : results.improvement?.accuracy_difference, significance?.verdict ?? ''),
        h('div', { class: 'columns' },
            results.base_model ? section('Side by side', sideBySide(results)) : section('Metrics', metrics(results)),
            h('div', { class: 'block' }, square ? section('Who was right', square) : null, before)),
        Array.isArray(results.labels) ? section('By label', labels(results.labels)) : null,
        results.confusion ? section('Confusion', h('div', { class: 'columns' },
            results.confusion.base_model ? confusion('Base model', results.confusion.labels, results.confusion.base_model) : null,
            confusion('Fine-tuned', results.confusion.labels, results.confusion.fine_tuned))) : null,
        section('How it was judged', judged(evaluation)),
    ];
}

/** @param {any} results */
function sideBySide(results) {
    const { base_model: base, fine_tuned: tuned, improvement = {} } = results;
    const has = (/** @type {string} */ name) => typeof base?.[name] === 'number' || typeof tuned?.[name] === 'number';
    const ratio = (/** @type {string} */ name) => [
        spoken(name), percent(base?.[name]), percent(tuned?.[name]),
        improvement?.[`${name}_difference`] === undefined && typeof base?.[name] === 'number' && typeof tuned?.[name] === 'number' ? points(tuned[name] - base[name]) : points(improvement?.[`${name}_difference`]),
        improvement?.[`${name}_delta`] ?? '–',
    ];
    const plain = (/** @type {string} */ name, unit = '') => [spoken(name.replace('_response_time_ms', '')) + (unit ? ' time' : ''), shownPlain(base?.[name], unit), shownPlain(tuned?.[name], unit), '', ''];
    const numeric = (/** @type {string} */ title) => ({ title, class: 'number' });
    return table('Both models side by side', ['Metric', numeric('Base model'), numeric('Fine-tuned'), numeric('Points'), numeric('Relative')], [
        ...RATIOS.filter(has).map(ratio), ...COUNTS.filter(has).map((name) => plain(name)), ...TIMES.filter(has).map((name) => plain(name, ' ms'))]);
}

/** @param {any} results */
function metrics({ fine_tuned: tuned }) {
    const has = (/** @type {string} */ name) => typeof tuned?.[name] === 'number';
    const interval = (/** @type {string} */ name) => (Array.isArray(tuned[`${name}_interval`]) ? tuned[`${name}_interval`].map(percent).join(' to ') : '');
    const numeric = (/** @type {string} */ title) => ({ title, class: 'number' });
    return table('The model’s metrics', ['Metric', numeric('Fine-tuned'), numeric('95 % interval')], [
        ...RATIOS.filter(has).map((name) => [spoken(name), percent(tuned[name]), interval(name)]), ...COUNTS.filter(has).map((name) => [spoken(name), figure(tuned[name]), '']),
        ...TIMES.filter(has).map((name) => [`${spoken(name.replace('_response_time_ms', ''))} time`, `${figure(tuned[name])} ms`, ''])]);
}

/**
 * @param {unknown} value
 * @param {string} unit
 */
function shownPlain(value, unit) {
    return typeof value === 'number' ? `${figure(value)}${unit}` : '–';
}

/** @param {any[]} rows */
function labels(rows) {
    const numeric = (/** @type {string} */ title) => ({ title, class: 'number' });
    if (!rows[0]?.base_model) {
        return table('By label', ['Label', ...['Rows', 'F1', 'Recall', 'Precision'].map(numeric)],
            rows.map((row) => [others(row.label), count(row.n), percent(row.fine_tuned?.f1_score), percent(row.fine_tuned?.recall), percent(row.fine_tuned?.precision)]));
    }
    return table('By label', ['Label', numeric('Rows'), numeric('Base F1'), numeric('Fine-tuned F1'), numeric('Points'), numeric('Base recall'), numeric('Fine-tuned recall'), numeric('Base precision'), numeric('Fine-tuned precision')],
        rows.map((row) => [others(row.label), count(row.n), percent(row.base_model?.f1_score), percent(row.fine_tuned?.f1_score), points((row.fine_tuned?.f1_score ?? NaN) - (row.base_model?.f1_score ?? NaN)),
            percent(row.base_model?.recall), percent(row.fine_tuned?.recall), percent(row.base_model?.precision), percent(row.fine_tuned?.precision)]));
}

/** @param {any} evaluation */
function judged(evaluation) {
    const { results, provenance } = evaluation;
    const significance = results.significance;
    const errors = errorsOf(results.errors);
    return h('div', { class: 'block' },
        facts([
            ['Rows that count', results.n ?? significance?.n ? count(results.n ?? significance?.n) : null],
            ['Errors', errors.length ? errors.map(([reason, number], i) => [i ? ', ' : '', others(reason), ` ${count(number)}`]) : results.errors ? 'none' : null],
            ['Tokens', tokens(results)],
            ['Judge', results.judge ? [others(results.scoring?.model), `: ${count(results.judge.agreed)} of ${plural(results.judge.n, 'row')} alike in both orders`] : null],
            ['Asked again', results.retried ? count(results.retried) : null],
            ['Test', significance ? [testName(significance.test), `, ${pValue(significance.p_value)}`] : null],
            ['Worker’s version', provenance?.worker_version ? others(String(provenance.worker_version)) : null],
            ['Mixed settings', provenance?.mixed ? 'yes: two workers with different settings' : null],
        ]),
        results.scoring?.description ? h('p', null, others(results.scoring.description)) : null,
        provenance ? h('details', null, h('summary', null, 'Provenance'),
            table('Provenance', ['What', 'Value'], flattened(provenance).map(([name, value]) => [others(name), others(value)]))) : null);
}

/** @param {any} results */
function tokens({ base_model: base, fine_tuned: tuned, judge }) {
    const shown = [['base', base], ['fine-tuned', tuned], ['judge', judge]].filter(([, role]) => typeof role?.tokens?.input === 'number')
        .map(([name, role]) => `${name} ${count(role.tokens.input)} in, ${count(role.tokens.output)} out`);
    return shown.join('; ');
}

/**
 * Counts of errors, of both forms that the API has for them.
 * @param {any} errors by reason; or by role and reason
 * @returns {[string, number][]}
 */
function errorsOf(errors) {
    /** @type {[string, number][]} */
    const found = [];
    for (const [name, value] of Object.entries(errors ?? {})) {
        if (typeof value === 'number') found.push([name, value]);
        else if (value && typeof value === 'object') {
            for (const [reason, one] of Object.entries(value)) found.push([`${spoken(name)}: ${reason}${one?.message ? ` (${one.message})` : ''}`, Number(one?.count ?? one)]);
        }
    }
    return found.filter(([, number]) => number > 0);
}

/**
 * @param {Record<string, any>} values
 * @param {string} [prefix]
 * @returns {[string, string][]}
 */
function flattened(values, prefix = '') {
    return Object.entries(values).flatMap(([name, value]) =>
        value && typeof value === 'object' && !Array.isArray(value)
            ? flattened(value, `${prefix}${name}.`)
            : [/** @type {[string, string]} */ ([prefix + name, typeof value === 'string' ? value : JSON.stringify(value)])]);
}

/**
 * The newest evaluation of the same model and test set before this one, beside it.
 * @param {import('../main.js').Page} page
 * @param {HTMLElement} root
 * @param {any} evaluation
 */
async function showBefore(page, root, evaluation) {
    try {
        const { signal } = page;
        const list = await get('/evaluations', { query: { status: 'completed', limit: 100, test_set_path: evaluation.test_set_path }, signal });
        const found = list.data.find((/** @type {any} */ one) => one.ID < evaluation.id && one.test_set_path === evaluation.test_set_path);
        if (!found) return;
        const previous = await get(`/evaluations/${found.ID}`, { signal });
        const name = typeof evaluation.results.fine_tuned?.score === 'number' ? 'score' : 'accuracy';
        const [now, then] = [evaluation.results.fine_tuned?.[name], previous.results?.fine_tuned?.[name]];
        if (typeof now !== 'number' || typeof then !== 'number') return;
        replace(root, section('Since the evaluation before', h('p', null,
            h('a', { href: `/ui/evaluations/${found.ID}` }, `Evaluation ${found.ID}`), ' of ', others(found.fine_tuned_name), ` by the same test set: ${name} ${percent(then)}, now ${percent(now)} (${points(now - then)} points).`)));
    } catch (error) {
        if (!isAbort(error)) replace(root, problem(error));
    }
}

/**
 * @param {import('../main.js').Page} page
 * @param {HTMLElement} root
 * @param {any} evaluation
 */
async function showExamples(page, root, evaluation) {
    const { winner = '', error = '' } = page.query;
    const filtered = Boolean(winner || error);
    const row = /^[1-9]\d{0,8}$/.test(page.query.row ?? '') ? Number(page.query.row) : 0;
    const number = row && !filtered ? Math.ceil(row / ROWS) : Math.max(1, Number(page.query.page) || 1);
    const select = choice([...(evaluation.base_model_name === null ? WINNERS.slice(0, 1) : WINNERS), ['error', 'ended in an error']], error === 'true' ? 'error' : winner, {
        onchange: (/** @type {any} */ event) => go({ ...(event.target.value === 'error' ? { error: 'true' } : { winner: event.target.value }) }),
    });
    const go = (/** @type {Record<string, string>} */ query) => {
        page.setQuery(query, { push: true });
        void showExamples(page, root, evaluation);
    };
    const bar = h('div', { class: 'heading' }, h('h2', null, 'Rows'), h('div', { class: 'filters' }, h('label', null, h('span', null, 'Show'), select)));
    try {
        const query = { winner, error, page: number, limit: ROWS };
        const answer = await get(`/evaluations/${evaluation.id}/examples`, { query, signal: page.signal });
        const last = Math.ceil(answer.total / ROWS);
        const step = (/** @type {number} */ to, /** @type {string} */ words) => to >= 1 && to <= last
            ? h('a', { href: page.addressOf({ winner, error, page: String(to) }), onclick: (/** @type {Event} */ event) => { event.preventDefault(); go({ winner, error, page: String(to) }); } }, words)
            : h('span', { class: 'quiet' }, words);
        if (answer.total === 0 && !filtered) return replace(root);
        replace(root, bar,
            answer.data.length === 0 ? h('p', { class: 'quiet' }, 'None of that kind.') : null,
            h('div', { class: 'pairs' }, answer.data.map((/** @type {any} */ example, /** @type {number} */ i) => pair(example, filtered ? null : (number - 1) * ROWS + i + 1, row, location.pathname, evaluation.base_model_name === null))),
            h('nav', { class: 'pager', 'aria-label': 'Pages of rows' }, h('span', null, plural(answer.total, 'row')), last > 1 ? [h('span', null, `page ${count(number)} of ${count(last)}`), step(number - 1, 'Previous'), step(number + 1, 'Next')] : null));
        if (row) document.getElementById(`row-${row}`)?.scrollIntoView({ block: 'center' });
    } catch (failure) {
        if (!isAbort(failure)) replace(root, bar, problem(failure));
    }
    return undefined;
}

/**
 * @param {any} example
 * @param {number | null} number of the row, where all rows are shown
 * @param {number} chosen
 * @param {string} path of the page
 * @param {boolean} alone there is no base
 */
function pair(example, number, chosen, path, alone) {
    const pieces = alone ? null : difference(example.base_model_output ?? '', example.fine_tuned_output ?? '');
    const right = (/** @type {boolean | null} */ correct) => typeof correct !== 'boolean' ? null : correct ? h('span', { class: 'good' }, ' ✓ right') : h('span', { class: 'bad' }, ' ✕ wrong');
    const text = (/** @type {string | null} */ output, /** @type {import('../evaluation/words.js').Piece[] | undefined} */ parts, /** @type {'ins' | 'del'} */ element) =>
        output === null ? h('p', { class: 'quiet' }, 'no answer')
            : output === '' ? h('p', { class: 'quiet' }, 'an empty answer')
                : parts ? h('bdi', { class: 'text others' }, parts.map((part) => (part.same ? marked(part.text) : h(element, null, ...marked(part.text)))))
                    : passage(output);
    const scored = (/** @type {unknown} */ score) => typeof score === 'number' ? h('span', null, ` ${figure(score)}`) : null;
    return h('article', { class: `pair${number !== null && number === chosen ? ' chosen' : ''}`, id: number === null ? null : `row-${number}`, 'aria-label': number === null ? 'Row' : `Row ${number}` },
        h('div', { class: 'pair-head' },
            number === null ? null : h('a', { href: `${path}?row=${number}` }, `Row ${count(number)}`),
            example.winner ? h('span', null, (typeof example.base_model_score === 'number' ? BETTER : ONLY)[/** @type {string} */ (example.winner)]) : null,
            example.judge ? h('span', { class: 'quiet' }, `judge: ${spoken(example.judge.base_model_first)}, in the other order ${spoken(example.judge.fine_tuned_first)}`) : null,
            example.error ? h('span', { class: 'bad' }, '✕ ', others(example.error)) : null),
        h('div', { class: 'pair-texts' },
            h('div', null, h('h3', null, 'Input'), passage(example.input)),
            h('div', null, h('h3', null, 'Expected'), passage(example.expected)),
            alone ? null : h('div', null, h('h3', null, 'Base model', right(example.base_model_correct), scored(example.base_model_score)), text(example.base_model_output, pieces?.before, 'del')),
            h('div', null, h('h3', null, 'Fine-tuned', right(example.fine_tuned_correct), scored(example.fine_tuned_score)), text(example.fine_tuned_output, pieces?.after, 'ins'))));
}

/**
 * A text of any length: of a long one the beginning, and a button for the rest.
 * @param {string} text
 * @returns {HTMLElement}
 */
function passage(text) {
    if (text.length <= SHOWN_CHARACTERS) return h('bdi', { class: 'text others' }, ...marked(text));
    const shown = h('bdi', { class: 'text others' }, ...marked(`${text.slice(0, SHOWN_CHARACTERS)}…`));
    const more = h('button', { type: 'button', class: 'small', onclick: () => { replace(shown, ...marked(text)); more.remove(); } }, `Show all ${count(text.length)} characters`);
    return h('div', null, shown, more);
}
