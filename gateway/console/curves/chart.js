/** One metric on a canvas: smoothed lines over the raw ones, marks where a value is no number, a table for screen readers. */

import { h, replace } from '../lib/dom.js';
import { others } from '../lib/elements.js';
import { count, duration, figure, plural } from '../lib/format.js';
import { extent, logTicks, nearest, smoothed, thinned, ticks } from './series.js';

const PADDING = { left: 52, right: 10, top: 8, bottom: 20 };
const TABLE_ROWS = 50;

/**
 * @typedef {object} Curve
 * @property {string} label
 * @property {number} colour of the series' colours
 * @property {import('./series.js').Series} series
 * @property {number[]} xs of its points, ascending
 *
 * @typedef {{smoothing: number, log: boolean, x: string}} Look
 */

export class Chart {
    /**
     * @param {string} title
     * @param {object} options
     * @param {(x: number | null) => void} options.onHover
     * @param {(curve: Curve, point: number) => void} options.onPick
     * @param {AbortSignal} options.signal
     */
    constructor(title, options) {
        this._options = options;
        /** @type {Curve[]} */
        this._curves = [];
        this._look = { smoothing: 0, log: false, x: 'step' };
        this._hovered = /** @type {number | null} */ (null);
        this._drawing = 0;
        this._canvas = h('canvas', {
            tabindex: '0', role: 'slider', 'aria-label': `${title.slice(0, 200)}, point by point`, 'aria-valuemin': '0',
            onkeydown: (/** @type {KeyboardEvent} */ event) => this._pressed(event), onblur: () => options.onHover(null),
        });
        this._values = h('div', { class: 'curve-values' });
        this._note = h('div', { class: 'curve-note', hidden: true });
        this._table = h('div', { class: 'offscreen' });
        this.element = h('figure', { class: 'curve', 'aria-label': title.slice(0, 200) },
            h('div', { class: 'curve-head' }, h('h3', null, others(title)), this._values),
            this._canvas, this._note, this._table);
        this._canvas.addEventListener('pointermove', (event) => options.onHover(this._xAt(event)));
        this._canvas.addEventListener('pointerleave', () => options.onHover(null));
        this._canvas.addEventListener('click', (event) => this._pick(event));
        const observer = new ResizeObserver(() => this.draw());
        observer.observe(this._canvas);
        const scheme = matchMedia('(prefers-color-scheme: dark)');
        scheme.addEventListener('change', () => this.draw(), { signal: options.signal });
        options.signal.addEventListener('abort', () => {
            observer.disconnect();
            cancelAnimationFrame(this._drawing);
        });
    }

    /**
     * @param {Curve[]} curves
     * @param {Look} look
     */
    set(curves, look) {
        this._curves = curves;
        this._look = look;
        this._smoothed = curves.map((curve) => smoothed(curve.series.values, look.smoothing));
        this._describe();
        this.draw();
    }

    /** @param {number | null} x */
    hover(x) {
        this._hovered = x;
        this.draw();
    }

    draw() {
        if (this._drawing || this._options.signal.aborted) return;
        this._drawing = requestAnimationFrame(() => {
            this._drawing = 0;
            this._draw();
        });
    }

    _describe() {
        const notes = [];
        for (const { label, series } of this._curves) {
            const of = this._curves.length > 1 ? ` in ${label}` : '';
            const broken = series.values.filter((value) => !Number.isFinite(value)).length;
            if (broken) notes.push(`${plural(broken, 'value')}${of} no number`);
            const hidden = this._look.log ? series.values.filter((value) => value <= 0).length : 0;
            if (hidden) notes.push(`${plural(hidden, 'value')}${of} of 0 or less not on a logarithmic axis`);
            if (series.count > series.values.length) notes.push(`${count(series.values.length)} of ${count(series.count)} points${of}, every extreme among them`);
        }
        replace(this._note, notes.join('; '));
        this._note.hidden = notes.length === 0;
        replace(this._table, this._curves.map(({ label, series, xs }) => {
            const stride = Math.max(1, Math.ceil(series.values.length / TABLE_ROWS));
            const rows = series.values.map((_, i) => i).filter((i) => i % stride === 0 || i === series.values.length - 1);
            return h('table', null, h('caption', null, `${series.name.slice(0, 200)}, ${label}`),
                h('thead', null, h('tr', null, h('th', { scope: 'col' }, this._look.x), h('th', { scope: 'col' }, 'value'))),
                h('tbody', null, rows.map((i) => h('tr', null, h('td', null, this._xWords(xs[i] ?? 0)), h('td', null, figure(shown(series.values[i])))))));
        }));
        this._showValues();
    }

    _showValues() {
        const x = this._hovered;
        const parts = this._curves.map((curve) => {
            const place = x === null ? curve.series.values.length - 1 : nearest(curve.xs, x);
            const value = figure(shown(curve.series.values[place]));
            return this._curves.length > 1 ? [h('span', { class: `swatch s${curve.colour}` }), `${value}  `] : value;
        });
        const first = this._curves[0];
        const at = x === null || !first ? '' : `${this._look.x} ${this._xWords(first.xs[nearest(first.xs, x)] ?? 0)}: `;
        replace(this._values, at, parts);
        this._canvas.setAttribute('aria-valuemax', String(Math.max(0, (first?.xs.length ?? 0) - 1)));
        this._canvas.setAttribute('aria-valuenow', String(this._place(first)));
        this._canvas.setAttribute('aria-valuetext', this._values.textContent);
    }

    /**
     * The point of a curve that is looked at; the last of none is.
     * @param {Curve | undefined} curve
     */
    _place(curve) {
        if (!curve?.xs.length) return 0;
        return this._hovered === null ? curve.xs.length - 1 : nearest(curve.xs, this._hovered);
    }

    /**
     * What the pointer can do, the keyboard can: go from point to point, and to the line of one.
     * @param {KeyboardEvent} event
     */
    _pressed(event) {
        const curve = this._curves[0];
        if (!curve?.xs.length) return;
        const { xs } = curve;
        const last = xs.length - 1;
        const at = this._place(curve);
        const far = Math.ceil(xs.length / 20);
        const steps = /** @type {Record<string, number>} */ ({ ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -far, PageUp: far, Home: -last, End: last });
        const step = steps[event.key];
        if (event.key === 'Enter') this._options.onPick(curve, at);
        else if (step !== undefined) {
            let to = Math.min(Math.max(at + step, 0), last);
            // Points of one second, or one epoch, are one place.
            while (xs[to] === xs[at] && to > 0 && to < last) to += Math.sign(step);
            this._options.onHover(xs[to] ?? null);
        } else return;
        event.preventDefault();
    }

    /** @param {number} x */
    _xWords(x) {
        if (this._look.x === 'time') return duration(x);
        return this._look.x === 'epoch' ? x.toFixed(2) : count(x);
    }

    /** The scales of the present drawing, or null while there is nothing to draw. */
    _scales() {
        const { clientWidth: width, clientHeight: height } = this._canvas;
        const xs = extent(this._curves.flatMap((curve) => [curve.xs[0] ?? NaN, curve.xs.at(-1) ?? NaN]));
        if (xs === null || width === 0) return null;
        const { log } = this._look;
        let ys = /** @type {[number, number]} */ (extent(all(this._curves.map((curve) => curve.series.values)), log) ?? [1, 1]);
        if (ys[0] === ys[1]) ys = log ? [ys[0] / 2, ys[1] * 2] : [ys[0] - (Math.abs(ys[0]) || 1) / 2, ys[1] + (Math.abs(ys[1]) || 1) / 2];
        const inner = { width: width - PADDING.left - PADDING.right, height: height - PADDING.top - PADDING.bottom };
        const map = log ? Math.log10 : (/** @type {number} */ value) => value;
        const [low, high] = [map(ys[0]), map(ys[1])];
        const span = xs[1] - xs[0] || 1;
        return {
            width, height, xs, ys,
            x: (/** @type {number} */ x) => PADDING.left + (xs[0] === xs[1] ? 0.5 : (x - xs[0]) / span) * inner.width,
            y: (/** @type {number} */ y) => (Number.isFinite(y) && (!log || y > 0) ? PADDING.top + (1 - (map(y) - low) / (high - low)) * inner.height : NaN),
            back: (/** @type {number} */ pixel) => xs[0] + ((pixel - PADDING.left) / inner.width) * span,
        };
    }

    _draw() {
        const scales = this._scales();
        this._showValues();
        const context = this._canvas.getContext('2d');
        if (!scales || !context) return;
        const ratio = window.devicePixelRatio || 1;
        if (this._canvas.width !== Math.round(scales.width * ratio) || this._canvas.height !== Math.round(scales.height * ratio)) {
            this._canvas.width = Math.round(scales.width * ratio);
            this._canvas.height = Math.round(scales.height * ratio);
        }
        context.setTransform(ratio, 0, 0, ratio, 0, 0);
        context.clearRect(0, 0, scales.width, scales.height);
        const style = getComputedStyle(this._canvas);
        const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
        this._axes(context, scales, colour);
        this._curves.forEach((curve, i) => {
            context.strokeStyle = colour(`--series-${curve.colour}`);
            const smooth = this._look.smoothing > 0;
            context.lineWidth = smooth ? 1 : 1.5;
            context.globalAlpha = smooth ? 0.28 : 1;
            this._line(context, scales, curve, curve.series.values);
            context.globalAlpha = 1;
            context.lineWidth = 1.75;
            if (smooth) this._line(context, scales, curve, this._smoothed?.[i] ?? []);
            this._marks(context, scales, curve, colour('--bad'));
            if (this._hovered !== null) this._point(context, scales, curve);
        });
    }

    /**
     * @param {CanvasRenderingContext2D} context
     * @param {any} scales
     * @param {(name: string) => string} colour
     */
    _axes(context, scales, colour) {
        context.font = '11px system-ui, sans-serif';
        context.fillStyle = colour('--quiet');
        context.strokeStyle = colour('--line');
        context.lineWidth = 1;
        context.textAlign = 'right';
        context.textBaseline = 'middle';
        for (const tick of this._look.log ? logTicks(scales.ys[0], scales.ys[1]) : ticks(scales.ys[0], scales.ys[1], 5)) {
            const y = Math.round(scales.y(tick)) + 0.5;
            context.beginPath();
            context.moveTo(PADDING.left, y);
            context.lineTo(scales.width - PADDING.right, y);
            context.stroke();
            context.fillText(figure(tick), PADDING.left - 6, y);
        }
        context.textBaseline = 'alphabetic';
        for (const tick of ticks(scales.xs[0], scales.xs[1], Math.max(2, scales.width / 110))) {
            if (this._look.x === 'step' && !Number.isInteger(tick)) continue;
            const x = scales.x(tick);
            context.textAlign = x > scales.width - 30 ? 'right' : x < PADDING.left + 12 ? 'left' : 'center';
            context.fillText(this._look.x === 'time' ? duration(tick) : figure(tick), Math.min(x, scales.width - 2), scales.height - 5);
        }
        if (this._hovered !== null) {
            const x = scales.x(this._hovered);
            context.strokeStyle = colour('--strong-line');
            context.beginPath();
            context.moveTo(x, PADDING.top);
            context.lineTo(x, scales.height - PADDING.bottom);
            context.stroke();
        }
    }

    /**
     * @param {CanvasRenderingContext2D} context
     * @param {any} scales
     * @param {Curve} curve
     * @param {number[]} values
     */
    _line(context, scales, curve, values) {
        const xs = curve.xs.map(scales.x);
        const ys = values.map(scales.y);
        context.beginPath();
        let drawn = false;
        let alone = -1;
        for (const i of thinned(xs, ys)) {
            const y = /** @type {number} */ (ys[i]);
            if (Number.isNaN(y)) {
                if (alone >= 0) this._dot(context, xs[alone], ys[alone]);
                drawn = false;
                alone = -1;
                continue;
            }
            if (drawn) context.lineTo(/** @type {number} */ (xs[i]), y);
            else context.moveTo(/** @type {number} */ (xs[i]), y);
            alone = drawn ? -1 : i;
            drawn = true;
        }
        if (alone >= 0) this._dot(context, xs[alone], ys[alone]);
        context.stroke();
    }

    /**
     * @param {CanvasRenderingContext2D} context
     * @param {number | undefined} x
     * @param {number | undefined} y
     */
    _dot(context, x = 0, y = 0) {
        context.moveTo(x + 2, y);
        context.arc(x, y, 2, 0, 2 * Math.PI);
    }

    /**
     * What is no number stands at the top edge, as a red cross with a line down: a divergence must not be a mere gap.
     * @param {CanvasRenderingContext2D} context
     * @param {any} scales
     * @param {Curve} curve
     * @param {string} colour
     */
    _marks(context, scales, curve, colour) {
        context.save();
        context.strokeStyle = colour;
        context.lineWidth = 1.5;
        let last = -Infinity;
        curve.series.values.forEach((value, i) => {
            const x = Number.isFinite(value) ? NaN : scales.x(curve.xs[i]);
            if (!(x - last >= 3)) return;
            last = x;
            const y = PADDING.top + 4;
            context.beginPath();
            context.moveTo(x - 3.5, y - 3.5);
            context.lineTo(x + 3.5, y + 3.5);
            context.moveTo(x + 3.5, y - 3.5);
            context.lineTo(x - 3.5, y + 3.5);
            context.stroke();
            context.globalAlpha = 0.35;
            context.beginPath();
            context.moveTo(x, y + 5);
            context.lineTo(x, scales.height - PADDING.bottom);
            context.stroke();
            context.globalAlpha = 1;
        });
        context.restore();
    }

    /**
     * @param {CanvasRenderingContext2D} context
     * @param {any} scales
     * @param {Curve} curve
     */
    _point(context, scales, curve) {
        const place = nearest(curve.xs, this._hovered ?? 0);
        const y = scales.y(curve.series.values[place]);
        if (place < 0 || Number.isNaN(y)) return;
        context.fillStyle = context.strokeStyle;
        context.beginPath();
        context.arc(scales.x(curve.xs[place]), y, 3.5, 0, 2 * Math.PI);
        context.fill();
    }

    /** @param {MouseEvent} event */
    _xAt(event) {
        const scales = this._scales();
        if (!scales) return null;
        const x = scales.back(event.clientX - this._canvas.getBoundingClientRect().left);
        return Math.min(Math.max(x, scales.xs[0]), scales.xs[1]);
    }

    /** @param {MouseEvent} event */
    _pick(event) {
        const x = this._xAt(event);
        const curve = this._curves[0];
        if (x === null || !curve) return;
        const place = nearest(curve.xs, x);
        if (place >= 0) this._options.onPick(curve, place);
    }
}

/** @param {number | undefined} value */
function shown(value) {
    if (value === undefined) return null;
    return Number.isNaN(value) ? 'NaN' : value;
}

/** @param {number[][]} lists */
function* all(lists) {
    for (const list of lists) yield* list;
}
