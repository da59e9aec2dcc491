/**
 * The rows of a log on the screen: only those in sight are elements, however many there are.
 *
 * The window sticks to the scroller's top and its rows are moved within, so scrolling never shows a blank. Where the reader
 * is, is kept in rows: the scroll bar only stands for it, and above MOST_PIXELS on a scale of its own.
 */

import { h, replace } from '../lib/dom.js';
import { marked } from '../lib/elements.js';
import { Heights } from './heights.js';
import { runs } from './ansi.js';
import { firstLine } from './lines.js';

export const ROW = 20;
// 500,000 rows; Chromium's elements end at 33.5 million pixels, Firefox's at 17.8.
const MOST_PIXELS = 500_000 * ROW;
const OVERSCAN = 8;
const SHOWN_CHARACTERS = 2_000;
const MEASURED_ROWS = 5_000;

/** @typedef {import('./lines.js').Line} Line */

/**
 * @typedef {{length: number, at: (row: number) => Line | null, idAt: (row: number) => number, rowOf: (id: number) => number}} Rows
 * @typedef {object} ViewOptions
 * @property {(first: number, end: number) => void} onSight which rows are looked at
 * @property {(following: boolean) => void} onFollow
 * @property {(id: number, extend: boolean) => void} onChoose
 * @property {AbortSignal} signal
 */

export class LogView {
    /**
     * @param {Rows} rows
     * @param {ViewOptions} options
     */
    constructor(rows, options) {
        this._rows = rows;
        this._options = options;
        this.following = true;
        this.wrap = false;
        this.searched = '';
        /** @type {{first: number, last: number} | null} */
        this.chosen = null;
        this._top = 0;
        this._scrolledTo = -1;
        this._drawing = 0;
        /** @type {Set<number>} lines that show all of their message */
        this._expanded = new Set();
        /** @type {Map<number, number>} measured heights in rows, by line */
        this._tall = new Map();
        this._heights = new Heights();
        this._heightsAreOld = false;
        /** @type {Map<number, {row: HTMLElement, line: Line | null}>} */
        this._drawn = new Map();

        this._list = h('div', { class: 'log-rows' });
        this._window = h('div', { class: 'log-window' }, this._list);
        this._spacer = h('div', { class: 'log-spacer' }, this._window);
        this.element = h('div', {
            class: 'log-scroller', tabindex: '0', role: 'log', 'aria-label': 'Log lines', 'aria-live': 'off',
            onscroll: () => this._scrolled(), onclick: (/** @type {MouseEvent} */ event) => this._clicked(event),
        }, this._spacer);
        this.element.addEventListener('wheel', (event) => this._wheel(event), { passive: false });
        const observer = new ResizeObserver(() => this._resized());
        observer.observe(this.element);
        options.signal.addEventListener('abort', () => {
            observer.disconnect();
            cancelAnimationFrame(this._drawing);
        });
    }

    /** @param {Rows} rows */
    setRows(rows) {
        this._rows = rows;
        this._forget();
        this.draw();
    }

    /** Draw at the next frame; asking often costs nothing. */
    draw() {
        if (this._drawing || this._options.signal.aborted) return;
        this._drawing = requestAnimationFrame(() => {
            this._drawing = 0;
            this._draw();
        });
    }

    /** Make all rows anew: what they show of their lines has changed. */
    redraw() {
        this._drawn.clear();
        this.draw();
    }

    /** @param {boolean} following */
    follow(following) {
        if (this.following !== following) {
            this.following = following;
            this._options.onFollow(following);
        }
        this.draw();
    }

    /** @param {boolean} wrap */
    setWrap(wrap) {
        const top = this.firstRow;
        this.wrap = wrap;
        this.element.classList.toggle('wrap', wrap);
        this._tall.clear();
        this._heightsAreOld = true;
        this._drawn.clear();
        if (!this.following) this._top = this._heights.start(top);
        this.draw();
    }

    /** The first row in sight. */
    get firstRow() {
        return Math.min(this._heights.at(this._top).row, Math.max(0, this._rows.length - 1));
    }

    /** How many rows of usual height fit. */
    get fitting() {
        return Math.max(1, Math.floor(this.element.clientHeight / ROW));
    }

    /**
     * Bring a line into sight, and leave it alone where it is in sight already.
     * @param {number} id
     * @param {{centre?: boolean}} [options]
     */
    show(id, { centre = false } = {}) {
        this._refresh();
        const place = this._heights.start(this._rows.rowOf(id));
        const fits = this.element.clientHeight / ROW;
        if (!centre && place >= this._top && place <= this._top + fits - 1.5) return this.draw();
        this.follow(false);
        this._top = centre || place < this._top - fits || place > this._top + 2 * fits ? place - fits / 3 : place < this._top ? place : place - fits + 2;
        this.draw();
    }

    /** @param {number} rows */
    move(rows) {
        this._top += rows;
        this.follow(this._top >= this._most() - 0.5 && rows > 0);
        this.draw();
    }

    toStart() {
        this._top = 0;
        this.follow(false);
    }

    /**
     * Rows were put before all others: what is in sight stays.
     * @param {number} rows
     */
    shifted(rows) {
        this._heightsAreOld = true;
        this._top += rows;
        this._drawn.clear();
        this.draw();
    }

    /** @param {number} id */
    toggle(id) {
        if (this._expanded.has(id)) this._expanded.delete(id);
        else this._expanded.add(id);
        this._tall.delete(id);
        this._heightsAreOld = true;
        this._drawn.delete(id);
        if (this.following) this.follow(false);
        this.draw();
    }

    _forget() {
        this._expanded.clear();
        this._tall.clear();
        this._heightsAreOld = true;
        this._drawn.clear();
        this._top = 0;
    }

    _refresh() {
        if (!this._heightsAreOld) return;
        this._heightsAreOld = false;
        const tall = [...this._tall].map(([id, height]) => /** @type {[number, number]} */ ([this._rows.rowOf(id), height]));
        this._heights.set(tall.sort((one, other) => one[0] - other[0]));
    }

    /** The furthest top. */
    _most() {
        this._refresh();
        return Math.max(0, this._heights.total(this._rows.length) - this.element.clientHeight / ROW);
    }

    _draw() {
        const height = this.element.clientHeight;
        if (height === 0) return;
        for (let pass = 0; pass < 3; pass += 1) {
            const most = this._most();
            this._top = this.following ? most : Math.min(Math.max(0, this._top), most);
            const end = this._fill(height);
            if (!this._measure()) {
                this._place(height);
                this._options.onSight(this._first, end);
                return;
            }
        }
        this._place(height);
    }

    /**
     * Have the rows in sight as elements, and return the row after the last.
     * @param {number} height
     */
    _fill(height) {
        const first = Math.max(0, this._heights.at(this._top).row - OVERSCAN);
        const end = Math.min(this._rows.length, this._heights.at(this._top + height / ROW).row + 1 + OVERSCAN);
        const digits = String(this._rows.length ? this._rows.idAt(this._rows.length - 1) : 0).length;
        this.element.style.setProperty('--number-width', `${Math.max(4, digits) + 3}ch`);
        const active = this._list.contains(document.activeElement) ? document.activeElement : null;
        /** @type {typeof this._drawn} */
        const drawn = new Map();
        for (let row = first; row < end; row += 1) {
            const line = this._rows.at(row);
            const id = this._rows.idAt(row);
            const old = this._drawn.get(id);
            drawn.set(id, old && old.line === line ? old : { row: this._make(id, line), line });
        }
        this._drawn = drawn;
        this._first = first;
        const wanted = [...drawn.values()].map((one) => one.row);
        const children = this._list.children;
        if (wanted.length !== children.length || wanted.some((row, i) => children[i] !== row)) replace(this._list, wanted);
        if (active && !active.isConnected) this.element.focus({ preventScroll: true });
        return end;
    }

    _first = 0;

    /** Measure rows that may be higher than usual; whether any is not as high as it was thought to be. */
    _measure() {
        const all = this.wrap && this._rows.length <= MEASURED_ROWS;
        if (!all && this._expanded.size === 0) return false;
        let changed = false;
        const anchor = this._heights.at(this._top);
        const anchorId = this._rows.length ? this._rows.idAt(Math.min(anchor.row, this._rows.length - 1)) : 0;
        for (const [id, { row }] of this._drawn) {
            if (!all && !this._expanded.has(id)) continue;
            const measured = row.offsetHeight / ROW;
            if (Math.abs(measured - (this._tall.get(id) ?? 1)) < 0.05) continue;
            if (measured > 1.05) this._tall.set(id, measured);
            else this._tall.delete(id);
            changed = true;
        }
        if (changed) {
            this._heightsAreOld = true;
            this._refresh();
            // What is at the top stays there, whatever was learned of the rows above it.
            const start = this._rows.rowOf(anchorId);
            this._top = this._heights.start(start) + anchor.part * (this._heights.start(start + 1) - this._heights.start(start));
        }
        return changed;
    }

    /** @param {number} height */
    _place(height) {
        const whole = this._heights.total(this._rows.length) * ROW;
        const pixels = Math.max(height, Math.min(whole, MOST_PIXELS));
        this._spacer.style.height = `${pixels}px`;
        this._window.style.height = `${height}px`;
        const most = this._most();
        const wanted = most > 0 ? (this._top / most) * (pixels - height) : 0;
        if (Math.abs(this.element.scrollTop - wanted) > 1) this.element.scrollTop = wanted;
        this._scrolledTo = this.element.scrollTop;
        let shift = (this._heights.start(this._first) - this._top) * ROW;
        if (this.wrap && this._rows.length > MEASURED_ROWS && this.following) {
            shift = Math.min(shift, height - this._list.offsetHeight);
        }
        this._list.style.transform = `translateY(${shift}px)`;
    }

    _scrolled() {
        const { scrollTop, clientHeight, scrollHeight } = this.element;
        if (Math.abs(scrollTop - this._scrolledTo) < 1) return;
        this._scrolledTo = scrollTop;
        const range = Math.max(1, scrollHeight - clientHeight);
        const most = this._most();
        this._top = (scrollTop / range) * most;
        this.follow(scrollTop >= range - 2);
    }

    /**
     * On a scale a pixel of the scroll bar is several rows: the wheel goes by rows all the same.
     * @param {WheelEvent} event
     */
    _wheel(event) {
        if (this._heights.total(this._rows.length) * ROW <= MOST_PIXELS || event.ctrlKey || event.shiftKey || event.deltaY === 0) return;
        event.preventDefault();
        const unit = event.deltaMode === 1 ? 1 : event.deltaMode === 2 ? this.fitting : 1 / ROW;
        this.move(event.deltaY * unit);
    }

    /** Drawn at once, for one is called before the frame is painted: else the end would be out of sight for one. */
    _resized() {
        if (this.wrap) {
            this._tall.clear();
            this._heightsAreOld = true;
        }
        this._draw();
    }

    /** @param {MouseEvent} event */
    _clicked(event) {
        const target = /** @type {Element} */ (event.target);
        const id = Number(target.closest('.log-row')?.getAttribute('data-id') ?? 0);
        if (!id) return;
        if (target.closest('.more')) {
            this.toggle(id);
        } else if (target.closest('.line-number')) {
            event.preventDefault();
            this._options.onChoose(id, event.shiftKey);
        }
    }

    /**
     * @param {number} id
     * @param {Line | null} line
     */
    _make(id, line) {
        const chosen = this.chosen !== null && id >= this.chosen.first && id <= this.chosen.last;
        const number = h('a', { class: 'line-number', href: `#L${id}`, 'aria-label': `Line ${id}`, tabindex: '-1' }, id);
        const name = `log-row of-${line?.level ?? 'blank'}${chosen ? ' chosen' : ''}`;
        if (line === null) return h('div', { class: name, 'data-id': id }, number, h('span', { class: 'message' }, '…'));
        const expanded = this._expanded.has(id);
        const { first, more } = firstLine(line.message);
        const text = expanded ? line.message.replace(/\r\n?/g, '\n') : first.slice(0, SHOWN_CHARACTERS);
        const cut = expanded ? 0 : first.length - text.length;
        const words = more ? `+${more}` : `+${cut} characters`;
        const button = more || cut > 0
            ? h('button', { type: 'button', class: 'more', 'aria-expanded': String(expanded), 'aria-label': expanded ? 'Show less' : `Show ${more ? `${more} more lines` : 'all'} of line ${id}` }, expanded ? '−' : words)
            : null;
        return h('div', { class: `${name}${expanded || this.wrap ? ' tall' : ''}`, 'data-id': id },
            number,
            h('span', { class: 'clock', title: line.time }, line.time.slice(11, 19)),
            h('span', { class: 'level' }, line.level.toUpperCase()),
            line.source === 'kernel' ? null : h('span', { class: 'source', title: line.source.slice(0, 200) }, marked(line.source.slice(0, 40))),
            h('span', { class: 'message' }, runs(text).map((run) => this._run(run))),
            button);
    }

    /** @param {import('./ansi.js').Run} run */
    _run(run) {
        const pieces = this.searched ? found(run.text, this.searched) : marked(run.text);
        if (run.front === null && run.back === null) return pieces;
        const front = run.front === null ? '' : `a${run.front}`;
        const back = run.back === null ? '' : `g${run.back}`;
        return h('span', { class: `${front} ${back}`.trim() }, pieces);
    }
}

/**
 * Text with what was searched for marked, in any case.
 * @param {string} text
 * @param {string} searched in lower case
 * @returns {import('../lib/dom.js').Child[]}
 */
function found(text, searched) {
    const lower = text.toLowerCase();
    // Lower case may be longer than what it is of; then places would not fit.
    if (lower.length !== text.length) return marked(text);
    /** @type {import('../lib/dom.js').Child[]} */
    const pieces = [];
    let start = 0;
    for (let at = lower.indexOf(searched); at >= 0; at = lower.indexOf(searched, start)) {
        pieces.push(...marked(text.slice(start, at)), h('mark', null, ...marked(text.slice(at, at + searched.length))));
        start = at + searched.length;
    }
    return [...pieces, ...marked(text.slice(start))];
}
