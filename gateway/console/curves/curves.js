/** The curves of one job or of several over each other: a chart for each metric, one look for all, kept up to date. */

import { get, isAbort } from '../lib/api.js';
import { h, replace } from '../lib/dom.js';
import { choice, problem } from '../lib/elements.js';
import { Chart } from './chart.js';
import { epochsOf, extended, seriesOf } from './series.js';

const POINTS = 10_000;
const POLL_MS = 5_000;
const HIDDEN = new Set(['epoch']);
const FIRST = ['loss', 'train_loss', 'eval_loss', 'val_loss', 'accuracy', 'eval_accuracy'];
const MOST_CHARTS = 60;

/**
 * @typedef {{job: any, label: string, series: Map<string, import('./series.js').Series>, complete: boolean, last: number}} Source
 */

export class Curves {
    /**
     * @param {import('../main.js').Page} page
     * @param {any[]} jobs
     * @param {object} options
     * @param {(line: number | null, time: number) => void} options.onPick a point's line where it is known, and its time
     * @param {() => import('../lib/dom.js').Child} options.empty
     * @param {boolean} [options.wide]
     */
    constructor(page, jobs, options) {
        this._page = page;
        this._options = options;
        /** @type {Source[]} */
        this._sources = jobs.map((job) => ({ job, label: job.name ?? `Job ${job.ID}`, series: new Map(), complete: false, last: -1 }));
        /** @type {Map<string, Chart>} */
        this._charts = new Map();
        const { query } = page;
        this._smoothing = h('input', { type: 'range', min: 0, max: 0.99, step: 0.01, value: query.smooth ?? '0', 'aria-label': 'Smoothing', oninput: () => this._changed() });
        this._log = h('input', { type: 'checkbox', checked: query.log === '1', onchange: () => this._changed() });
        this._x = choice([['step', 'step'], ['epoch', 'epoch'], ['time', 'time']], query.x ?? 'step', { 'aria-label': 'Horizontal axis', onchange: () => this._changed() });
        this._bar = h('div', { class: 'curve-bar', hidden: true },
            h('label', null, 'Smooth', this._smoothing), h('label', null, this._log, 'log y'), h('label', null, 'x', this._x));
        this._problems = h('div');
        this._list = h('div', { class: `curves${options.wide ? ' wide' : ''}` });
        this._reading = h('p', { class: 'quiet', hidden: true, role: 'status' }, 'Reading metrics out of the log …');
        this.element = h('section', { class: 'block', 'aria-label': 'Curves' }, this._bar, this._problems, this._reading, this._list);
    }

    /** Load the curves, and again as long as a job runs. */
    start() {
        this._page.every(POLL_MS, () => this.load());
    }

    /** @param {any} job whose record has changed */
    setJob(job) {
        for (const source of this._sources) if (source.job.ID === job.ID) source.job = job;
    }

    async load() {
        const due = this._sources.filter((source) => !source.complete);
        if (due.length === 0) return;
        try {
            await Promise.all(due.map((source) => this._load(source)));
            replace(this._problems);
            this._show();
        } catch (error) {
            if (isAbort(error)) return;
            replace(this._problems, problem(error));
        }
    }

    /** @param {Source} source */
    async _load(source) {
        const over = !['pending', 'running'].includes(source.job.status);
        // Once more in full at the end: what was replaced at earlier steps shows then.
        const after = over ? -1 : Math.max(-1, source.last - 1);
        const answer = await get(`/jobs/${source.job.ID}/metrics`, { query: { max_points: POINTS, after_step: after < 0 ? undefined : after }, signal: this._page.signal });
        const fresh = new Map(answer.series.map((/** @type {any} */ record) => [record.name, seriesOf(record)]));
        if (after < 0) source.series = fresh;
        else for (const [name, more] of fresh) source.series.set(name, source.series.has(name) ? extended(/** @type {any} */ (source.series.get(name)), more) : more);
        for (const series of source.series.values()) source.last = Math.max(source.last, series.steps.at(-1) ?? -1);
        source.complete = over && answer.complete;
        this._reading.hidden = answer.complete;
    }

    get _look() {
        return { smoothing: Number(this._smoothing.value), log: this._log.checked, x: this._x.value };
    }

    _changed() {
        const { smoothing, log, x } = this._look;
        this._page.setQuery({ ...this._page.query, smooth: smoothing ? String(smoothing) : '', log: log ? '1' : '', x: x === 'step' ? '' : x });
        this._show();
    }

    _show() {
        const names = [...new Set(this._sources.flatMap((source) => [...source.series.keys()]))].filter((name) => !HIDDEN.has(name)).sort(order);
        this._bar.hidden = names.length === 0;
        if (names.length === 0) {
            if (this._reading.hidden) replace(this._list, this._options.empty());
            return;
        }
        const look = this._look;
        const shown = names.slice(0, MOST_CHARTS);
        for (const name of shown) {
            if (!this._charts.has(name)) {
                this._charts.set(name, new Chart(name, {
                    signal: this._page.signal,
                    onHover: (x) => this._charts.forEach((chart) => chart.hover(x)),
                    onPick: (curve, point) => this._options.onPick(curve.series.lines[point] ?? null, curve.series.times[point] ?? NaN),
                }));
            }
        }
        const elements = shown.map((name) => /** @type {Chart} */ (this._charts.get(name)).element);
        const more = names.length > shown.length ? h('p', { class: 'quiet' }, `${names.length - shown.length} more metrics are not drawn; the API has them.`) : null;
        if (elements.length + (more ? 1 : 0) !== this._list.children.length || elements.some((element, i) => this._list.children[i] !== element)) replace(this._list, elements, more);
        for (const name of shown) {
            const curves = this._sources.flatMap((source, i) => {
                const series = source.series.get(name);
                return series ? [{ label: source.label, colour: i % 8, series, xs: xsOf(series, source, look.x) }] : [];
            });
            this._charts.get(name)?.set(curves, look);
        }
    }
}

/**
 * @param {import('./series.js').Series} series
 * @param {Source} source
 * @param {string} x
 */
function xsOf(series, source, x) {
    if (x === 'epoch') return epochsOf(series.steps, source.series.get('epoch')) ?? series.steps;
    if (x !== 'time') return series.steps;
    const start = Date.parse(source.job.started_at ?? source.job.created_at);
    let latest = 0;
    return series.times.map((time) => (latest = Math.max(latest, (time - start) / 1000)));
}

/**
 * @param {string} one
 * @param {string} other
 */
function order(one, other) {
    const rank = (/** @type {string} */ name) => (FIRST.indexOf(name) + 1 || FIRST.length + 1);
    return rank(one) - rank(other) || one.localeCompare(other);
}
