/** A job's log: what is filtered, searched, chosen and copied, and how live it is; its state is the address. */

import { readLines, writeLines } from '../lib/address.js';
import { ApiError, address, get, isAbort } from '../lib/api.js';
import { h, replace } from '../lib/dom.js';
import { announce, choice, copyButton, copyText, others, problem } from '../lib/elements.js';
import { ago, count, plural } from '../lib/format.js';
import { plain } from './ansi.js';
import { AllLines, FoundLines, PAGE, firstLine, lineOf } from './lines.js';
import { Tail } from './tail.js';
import { LogView } from './view.js';

const LEVELS = /** @type {[string, string][]} */ ([['', 'All levels'], ['info', 'Info and above'], ['warn', 'Warnings and errors'], ['error', 'Errors']]);
const MOST_COPIED = 50_000;
const MISSED = 5_000;
const ANNOUNCE_MS = 10_000;
const LAST_WORDS_MS = 600_000;

/** @typedef {import('./lines.js').Line} Line */
/** @typedef {import('../main.js').Page} Page */

export class JobLog {
    /**
     * @param {Page} page
     * @param {any} job
     * @param {{onEnded: () => void, onLines: (lines: Line[]) => void, empty: () => HTMLElement}} options
     */
    constructor(page, job, options) {
        this._page = page;
        this._job = job;
        this._options = options;
        this._all = new AllLines();
        /** @type {FoundLines | null} */
        this._found = null;
        /** @type {Map<number, AbortController>} */
        this._loading = new Map();
        this._lookingBack = false;
        this._state = /** @type {[string, string]} */ (['connecting', '']);
        this._chosen = readLines(location.hash);
        this._unheard = 0;
        this._source = page.query.source ?? '';
        this._view = new LogView(this._all, {
            onSight: (first, end) => this._sight(first, end),
            onFollow: () => this._showState(),
            onChoose: (id, extend) => this.choose(id, extend),
            signal: page.signal,
        });
        const { query } = this._page;
        /** @type {number | undefined} */
        let timer;
        const later = (/** @type {() => void} */ task) => {
            clearTimeout(timer);
            timer = window.setTimeout(task, 350);
        };
        this._search = h('input', {
            type: 'search', value: query.q ?? '', placeholder: 'Search the log', 'aria-label': 'Search the log', 'data-search': true, maxlength: 255,
            autocomplete: 'off', spellcheck: 'false',
            oninput: () => later(() => this._searchedFor()),
            onkeydown: (/** @type {KeyboardEvent} */ event) => {
                if (event.key !== 'Enter') return;
                clearTimeout(timer);
                this._searchedFor();
                this._searchStep(event.shiftKey ? -1 : 1);
            },
        });
        this._only = h('input', { type: 'checkbox', checked: query.only === '1', onchange: () => this._filterChanged() });
        this._level = choice(LEVELS, query.level ?? '', { 'aria-label': 'Levels', onchange: () => this._filterChanged() });
        this._sourceField = h('input', {
            type: 'search', class: 'source', value: this._source, placeholder: 'All sources', 'aria-label': 'Source', maxlength: 255, autocomplete: 'off', spellcheck: 'false',
            oninput: () => later(() => this._filterChanged()),
        });
        this._followButton = h('button', { type: 'button', class: 'small', title: 'f', onclick: () => this._view.follow(!this._view.following) }, 'Follow');
        this._wrapButton = h('button', { type: 'button', class: 'small', title: 'w', 'aria-pressed': 'false', onclick: () => this._wrap() }, 'Wrap');
        this._download = h('a', { class: 'nowrap', download: '' }, 'Download');
        this._raw = h('a', { class: 'nowrap', target: '_blank', rel: 'noopener', title: 'The log as plain text' }, 'Raw');
        this._pinned = h('div');
        this._status = h('div', { class: 'log-status' });
        this._problems = h('div');
        this._frame = h('div', { class: 'log-frame' }, this._view.element);
        this.element = h('section', { class: 'log', 'aria-label': 'Log' },
            h('div', { class: 'log-bar' },
                this._search,
                h('button', { type: 'button', class: 'small', 'aria-label': 'Previous match', title: 'N', onclick: () => this._searchStep(-1) }, '↑'),
                h('button', { type: 'button', class: 'small', 'aria-label': 'Next match', title: 'n', onclick: () => this._searchStep(1) }, '↓'),
                h('label', { class: 'check' }, this._only, 'Only matches'),
                this._level, this._sourceField,
                h('span', { class: 'gap' }), this._followButton, this._wrapButton, this._raw, this._download),
            h('div', null, this._pinned, this._problems),
            this._frame,
            this._status);
        this._setKeys();
        document.addEventListener('copy', (event) => this._copied(event), { signal: page.signal });
        window.addEventListener('hashchange', () => this._goToFragment(), { signal: page.signal });
        const announcing = setInterval(() => this._announceLines(), ANNOUNCE_MS);
        page.signal.addEventListener('abort', () => clearInterval(announcing));
    }

    _setKeys() {
        const view = this._view;
        this._page.setKeys({
            n: { words: 'Next match', run: () => this._searchStep(1) },
            N: { words: 'Previous match', run: () => this._searchStep(-1) },
            e: { words: 'Next error', run: () => void this._step({ level: 'error' }, 1, 'error') },
            E: { words: 'Previous error', run: () => void this._step({ level: 'error' }, -1, 'error') },
            f: { words: 'Follow the end of the log', run: () => view.follow(!view.following) },
            j: { words: 'Next line', run: () => this._move(1) },
            k: { words: 'Previous line', run: () => this._move(-1) },
            g: { words: 'First line', run: () => view.toStart() },
            G: { words: 'Last line, and follow', run: () => view.follow(true) },
            o: { words: 'All of the line’s message, or less of it', run: () => this._chosen && view.toggle(this._chosen.first) },
            w: { words: 'Wrap long lines', run: () => this._wrap() },
            y: { words: 'Copy the link to this place', run: () => void this._copyLink() },
            c: { words: 'Copy the chosen lines', run: () => void this._copyChosen() },
        });
    }

    /** What the API is asked to filter by; the search filters only where it should. */
    get _filter() {
        const q = this._only.checked ? this._search.value.trim() : '';
        return { level: this._level.value, source: this._sourceField.value.trim(), q };
    }

    get _isFiltered() {
        return Object.values(this._filter).some((value) => value !== '');
    }

    get _path() {
        return `/jobs/${this._job.ID}/logs`;
    }

    /** Load the newest lines, and go on live. */
    async start() {
        this._run?.abort();
        this._run = new AbortController();
        const signal = AbortSignal.any([this._page.signal, this._run.signal]);
        this._signal = signal;
        const filter = this._filter;
        this._loading.clear();
        this._lookingBack = false;
        this._view.searched = this._search.value.trim().toLowerCase();
        this._download.setAttribute('href', address(`${this._path}/download`, filter));
        this._raw.setAttribute('href', address(`${this._path}/download`, { ...filter, inline: 'true' }));
        replace(this._problems);
        try {
            const newest = await get(this._path, { query: { order: 'desc', limit: this._isFiltered ? 1 : PAGE }, signal });
            if (signal.aborted) return;
            this._all.put(newest.logs.map(lineOf).reverse());
            this._found = this._isFiltered ? new FoundLines() : null;
            this._view.setRows(this._found ?? this._all);
            this._view.chosen = this._chosen;
            if (this._found) {
                this._found.lookedTo = this._all.length + 1;
                await this._lookBack();
            }
            this._showEmpty();
            if (this._chosen) this._view.show(this._chosen.first, { centre: true });
            else this._view.follow(true);
            const error = newest.logs.find((/** @type {any} */ record) => record.level === 'error');
            if (error) this._pin(lineOf(error));
            else if (newest.has_more && !this._pinnedLine) void this._findNewestError();
            if (this._isLongOver()) {
                this._setState('ended', '');
                return;
            }
            this._tail = new Tail({
                job: this._job.ID, filter, after: this._all.length, signal,
                onLines: (lines) => this._received(lines),
                onState: (state, reason) => this._setState(state, reason),
                onReset: () => this._reset(),
                catchUp: () => this._catchUp(),
            });
        } catch (error) {
            if (isAbort(error)) return;
            this._setState('gone', '');
            replace(this._problems, error instanceof ApiError && error.status === 410
                ? h('p', { class: 'notice' }, `The log was deleted${this._job.log_expired_at ? ` ${ago(this._job.log_expired_at, Date.now())}` : ''}.`)
                : problem(error));
        }
    }

    /** Whether no line comes any more: a kernel's last words come within seconds. */
    _isLongOver() {
        return this._job.completed_at !== null && Date.now() - Date.parse(this._job.completed_at) > LAST_WORDS_MS;
    }

    /** @param {Line[]} lines */
    _received(lines) {
        const wasEmpty = this._all.length === 0;
        const last = /** @type {Line} */ (lines.at(-1));
        if (this._found) {
            this._found.put(lines);
            this._all.length = Math.max(this._all.length, last.id);
        } else {
            this._all.put(lines);
        }
        this._unheard += lines.length;
        const error = lines.findLast((line) => line.level === 'error');
        if (error) this._pin(error);
        if (wasEmpty) this._showEmpty();
        this._view.draw();
        this._showState();
        this._options.onLines(lines);
    }

    /** The tab was hidden: how far the log is now. Of much that was missed only the end is fetched. */
    async _catchUp() {
        const present = this._all.length;
        const newest = await get(this._path, { query: { order: 'desc', limit: 1 }, signal: this._signal });
        const last = newest.logs[0]?.ID ?? 0;
        if (this._found || last < present + MISSED) return present;
        this._all.put(newest.logs.map(lineOf));
        this._view.draw();
        return last;
    }

    _reset() {
        this._all.clear();
        this._found?.clear();
        this._pinnedLine = null;
        replace(this._pinned);
        this._view.setRows(this._found ?? this._all);
        announce('The log began anew');
    }

    /**
     * @param {number} first
     * @param {number} end
     */
    _sight(first, end) {
        if (this._found) {
            if (first < 100 && !this._found.done) void this._lookBack();
            return;
        }
        const wanted = this._all.missing(first, end);
        // A scroll bar that is dragged passes over pages that nobody waits for any more.
        for (const [after, request] of this._loading) {
            if (wanted.includes(after)) continue;
            request.abort();
            this._loading.delete(after);
        }
        for (const after of wanted) void this._load(after);
    }

    /** @param {number} after */
    async _load(after) {
        if (this._loading.has(after)) return;
        const request = new AbortController();
        this._loading.set(after, request);
        const signal = this._signal ? AbortSignal.any([this._signal, request.signal]) : request.signal;
        try {
            const page = await get(this._path, { query: { after, limit: PAGE }, signal });
            this._all.put(page.logs.map(lineOf));
            replace(this._problems);
        } catch (error) {
            if (isAbort(error)) return;
            replace(this._problems, problem(error));
            await new Promise((resolve) => setTimeout(resolve, 2_000));
        } finally {
            if (this._loading.get(after) === request) this._loading.delete(after);
        }
        this._view.draw();
    }

    /** Look for more lines of the filter before those that are here. */
    async _lookBack() {
        const found = this._found;
        if (!found || this._lookingBack || found.done) return;
        this._lookingBack = true;
        this._showState();
        const signal = this._signal;
        try {
            const query = { order: 'desc', limit: PAGE, before: found.lookedTo, ...this._filter };
            const page = await get(this._path, { query, signal });
            const lines = page.logs.map(lineOf).reverse();
            found.before(lines, page.has_more ? page.next_before : 1);
            this._lookingBack = false;
            if (found === this._found) this._view.shifted(lines.length);
            // Where nothing was found in all of its 50,000 lines, the view would not ask again by itself.
            if (!found.done && found.length < this._view.fitting) await this._lookBack();
        } catch (error) {
            if (!isAbort(error)) replace(this._problems, problem(error));
        } finally {
            this._lookingBack = false;
            if (found === this._found) this._showEmpty();
            this._showState();
        }
    }

    async _findNewestError() {
        try {
            const page = await get(this._path, { query: { level: 'error', order: 'desc', limit: 1 }, signal: this._page.signal });
            if (page.logs.length) this._pin(lineOf(page.logs[0]));
        } catch (error) {
            if (!isAbort(error)) console.warn(error);
        }
    }

    /** @type {Line | null} */
    _pinnedLine = null;

    /** @param {Line} line */
    _pin(line) {
        if (this._pinnedLine && this._pinnedLine.id >= line.id) return;
        this._pinnedLine = line;
        const text = plain(lastWords(line.message)).slice(0, 300);
        replace(this._pinned, h('div', { class: 'pinned' },
            h('span', { class: 'bad' }, h('span', { 'aria-hidden': 'true' }, '✕ '), 'Newest error'),
            h('a', { href: `#L${line.id}`, onclick: (/** @type {Event} */ event) => { event.preventDefault(); this.choose(line.id); this._view.show(line.id, { centre: true }); } }, `line ${count(line.id)}`),
            others(text)));
    }

    /**
     * Choose a line, or with `extend` those from the chosen one to it; the address says which.
     * @param {number} id
     * @param {boolean} [extend]
     */
    choose(id, extend = false) {
        const chosen = this._chosen;
        if (extend && chosen) this._chosen = { first: Math.min(chosen.first, id), last: Math.max(chosen.last, id) };
        else if (chosen && chosen.first === id && chosen.last === id) this._chosen = null;
        else this._chosen = { first: id, last: id };
        this._chose();
    }

    /** @param {number} id */
    goTo(id) {
        this._chosen = { first: id, last: id };
        this._chose();
        this._view.show(id, { centre: true });
        this.element.scrollIntoView({ block: 'nearest' });
    }

    /** @param {number} time */
    async goToTime(time) {
        const timeAt = (/** @type {number} */ id) => this._all.at(id - 1)?.time;
        const id = await lineAtTime(this._path, this._all.length, time, timeAt, this._page.signal);
        if (id) this.goTo(id);
    }

    _chose() {
        this._view.chosen = this._chosen;
        this._page.setQuery(this._page.query, { fragment: writeLines(this._chosen) });
        this._view.redraw();
        this._showState();
    }

    _goToFragment() {
        this._chosen = readLines(location.hash);
        this._view.chosen = this._chosen;
        this._view.redraw();
        if (this._chosen) this._view.show(this._chosen.first, { centre: true });
        this._showState();
    }

    /** @param {number} step */
    _move(step) {
        const rows = this._found ?? this._all;
        if (rows.length === 0) return;
        const row = this._chosen ? rows.rowOf(this._chosen.first) + step : this._view.firstRow;
        const id = rows.idAt(Math.min(Math.max(row, 0), rows.length - 1));
        this._chosen = { first: id, last: id };
        this._chose();
        this._view.show(id);
        const line = rows.at(rows.rowOf(id));
        if (line) announce(`Line ${id}, ${line.level}: ${plain(firstLine(line.message).first).slice(0, 300)}`);
    }

    _searchedFor() {
        const words = this._search.value.trim();
        this._view.searched = words.toLowerCase();
        this._page.setQuery({ ...this._page.query, q: words });
        if (this._only.checked) this._filterChanged();
        else this._view.redraw();
    }

    /** @param {1 | -1} direction */
    _searchStep(direction) {
        const q = this._search.value.trim();
        if (q) void this._step({ q }, direction, 'match');
        else this._search.focus();
    }

    /**
     * Go to the next line of a filter, wherever in the log it is.
     * @param {Record<string, string>} filter
     * @param {1 | -1} direction
     * @param {string} what
     */
    async _step(filter, direction, what) {
        this._stepping?.abort();
        this._stepping = new AbortController();
        const signal = AbortSignal.any([this._page.signal, this._stepping.signal]);
        const rows = this._found ?? this._all;
        if (rows.length === 0) return;
        const forward = direction > 0;
        const { length } = this._all;
        const place = this._chosen ? (forward ? this._chosen.last : this._chosen.first)
            : this._view.following ? length + 1 : rows.idAt(this._view.firstRow) - (forward ? 1 : 0);
        const kept = this._found ? { ...this._filter } : {};
        const seek = (/** @type {number} */ from) => nextLine(this._path, { ...kept, ...filter }, {
            forward, from, last: length, signal,
            onLook: (at) => this._say(`Looking for the ${forward ? 'next' : 'previous'} ${what}: at line ${count(at)} …`),
        });
        try {
            const next = await seek(place);
            const around = next === null ? await seek(forward ? 0 : length + 1) : null;
            const id = next ?? around;
            if (id === null) return this._say(`No ${what} in the whole log`);
            this.goTo(id);
            if (next === null) this._say(forward ? `No ${what} after that: the first one` : `No ${what} before that: the last one`);
        } catch (error) {
            if (!isAbort(error)) replace(this._problems, problem(error));
        }
        return undefined;
    }

    _filterChanged() {
        const filter = this._filter;
        const q = this._search.value.trim();
        this._page.setQuery({ ...this._page.query, ...filter, q, only: this._only.checked ? '1' : '' });
        void this.start();
    }

    _wrap() {
        this._view.setWrap(!this._view.wrap);
        this._wrapButton.setAttribute('aria-pressed', String(this._view.wrap));
    }

    async _copyLink() {
        if (!this._chosen && !this._view.following) {
            const id = (this._found ?? this._all).idAt(this._view.firstRow);
            this._chosen = { first: id, last: id };
            this._chose();
        }
        announce((await copyText(location.href)) ? 'Link copied' : 'The browser does not allow to copy');
        this._say('Link copied');
    }

    async _copyChosen() {
        if (!this._chosen) return;
        const text = await this._text(this._chosen);
        const copied = await copyText(text);
        this._say(copied ? `${plural(this._chosen.last - this._chosen.first + 1, 'line')} copied` : 'The browser does not allow to copy');
    }

    /**
     * @param {{first: number, last: number}} lines
     * @returns {Promise<string>}
     */
    _text(lines) {
        const last = Math.min(lines.last, this._all.length);
        return textOfLines(this._path, { first: lines.first, last }, this._found ? this._filter : {}, this._page.signal);
    }

    /**
     * A selection over several rows is copied from the model: elements know their rows' first lines only.
     * @param {ClipboardEvent} event
     */
    _copied(event) {
        const selection = document.getSelection();
        if (event.defaultPrevented || !selection || selection.isCollapsed || !event.clipboardData) return;
        const [one, other] = [selection.anchorNode, selection.focusNode].map((node) => {
            const element = node instanceof Element ? node : node?.parentElement;
            return Number(element?.closest('.log-row')?.getAttribute('data-id') ?? 0);
        });
        if (!one || !other || one === other) return;
        const rows = this._found ?? this._all;
        const [first, last] = [Math.min(one, other), Math.max(one, other)];
        const texts = [];
        for (let row = rows.rowOf(first); row <= rows.rowOf(last); row += 1) {
            const line = rows.at(row);
            if (line) texts.push(textOf(line));
        }
        event.clipboardData.setData('text/plain', texts.join('\n'));
        event.preventDefault();
    }

    _showEmpty() {
        const rows = this._found ?? this._all;
        const blank = rows.length === 0 && !(this._found && !this._found.done);
        if (!blank) {
            this._frame.querySelector('.log-empty')?.remove();
            this._view.element.hidden = false;
            return;
        }
        this._view.element.hidden = true;
        if (this._frame.querySelector('.log-empty')) this._frame.querySelector('.log-empty')?.remove();
        this._frame.append(h('div', { class: 'log-empty' }, this._found ? h('p', { class: 'quiet' }, 'No line matches.') : this._options.empty()));
    }

    /**
     * @param {string} state
     * @param {string} reason
     */
    _setState(state, reason) {
        const before = this._state[0];
        this._state = /** @type {[string, string]} */ ([state, reason]);
        this._showState();
        if (state === 'ended' && before !== 'ended') this._options.onEnded();
    }

    /** @param {string} words */
    _say(words) {
        announce(words);
        this._said = words;
        clearTimeout(this._saying);
        this._saying = window.setTimeout(() => {
            this._said = '';
            this._showState();
        }, 4_000);
        this._showState();
    }

    _said = '';

    /** @type {number | undefined} */
    _saying;

    _showState() {
        if (this._showing || this._page.signal.aborted) return;
        this._showing = requestAnimationFrame(() => {
            this._showing = 0;
            const chosen = this._chosen;
            replace(this._status,
                liveness(this._state),
                h('span', null, this._range()),
                chosen ? h('span', null, chosen.first === chosen.last ? `line ${count(chosen.first)}` : `lines ${count(chosen.first)}–${count(chosen.last)}`, ' ',
                    copyButton(() => this._text(chosen), 'Copy'), ' ', copyButton(() => location.href, 'Copy link')) : null,
                this._said ? h('span', null, this._said) : null);
            this._followButton.setAttribute('aria-pressed', String(this._view.following));
        });
    }

    _showing = 0;

    _range() {
        if (!this._found) return plural(this._all.length, 'line');
        const { length, done, lookedTo } = this._found;
        const found = `${plural(length, 'line')} found`;
        if (done) return `${found} in ${count(this._all.length)}`;
        return `${found} since line ${count(lookedTo)}; ${this._lookingBack ? 'looking further back …' : 'scroll up to look further back'}`;
    }

    _announceLines() {
        if (this._unheard && this._view.following && !document.hidden) announce(plural(this._unheard, 'new line'));
        this._unheard = 0;
    }
}

/**
 * @param {[string, string]} state
 * @returns {HTMLElement}
 */
function liveness([state, reason]) {
    switch (state) {
        case 'live': return h('span', { class: 'live good' }, '● Live');
        case 'ended': return h('span', { class: 'live quiet' }, '■ The log is complete');
        case 'hidden': return h('span', { class: 'live warn' }, '◌ Not live while the tab is hidden');
        case 'waiting': return h('span', { class: 'live warn' }, `◌ Not live, connecting again. ${reason}`);
        case 'gone': return h('span', { class: 'live warn' }, `◌ Not live. ${reason}`);
        default: return h('span', { class: 'live quiet' }, '◌ Connecting …');
    }
}

/**
 * The nearest line of a filter after or before a place, or null; the API looks at 50,000 lines at a time.
 * @param {string} path of the log
 * @param {Record<string, string>} filter
 * @param {{forward: boolean, from: number, last: number, signal: AbortSignal, onLook: (from: number) => void}} place
 * @returns {Promise<number | null>}
 */
async function nextLine(path, filter, { forward, from, last, signal, onLook }) {
    while (forward ? from < last : from > 1) {
        const query = { ...filter, limit: 1, ...(forward ? { after: from } : { order: 'desc', before: from }) };
        const page = await get(path, { query, signal });
        if (page.logs.length) return page.logs[0].ID;
        if (!page.has_more) return null;
        from = forward ? page.next_after : page.next_before;
        onLook(from);
    }
    return null;
}

/**
 * The line that was written nearest after a moment, or 0 of none: lines are in the order of their times, or nearly so.
 * @param {string} path of the log
 * @param {number} last the number of the newest line
 * @param {number} time
 * @param {(id: number) => string | undefined} timeAt of the lines that are here
 * @param {AbortSignal} signal
 */
async function lineAtTime(path, last, time, timeAt, signal) {
    let [low, high] = [Math.min(1, last), last];
    while (low < high) {
        const middle = (low + high) >> 1;
        const at = timeAt(middle) ?? (await get(path, { query: { after: middle - 1, limit: 1 }, signal })).logs[0]?.timestamp;
        if (at && Date.parse(at) < time) low = middle + 1;
        else high = middle;
    }
    return low;
}

/**
 * Lines as the log's text file has them, at most 50,000.
 * @param {string} path of the log
 * @param {{first: number, last: number}} lines
 * @param {Record<string, string>} filter
 * @param {AbortSignal} signal
 */
async function textOfLines(path, { first, last }, filter, signal) {
    const end = Math.min(last, first + MOST_COPIED - 1);
    /** @type {string[]} */
    const texts = [];
    for (let after = first - 1; after < end; ) {
        const page = await get(path, { query: { after, limit: Math.min(PAGE, end - after), ...filter }, signal });
        for (const record of page.logs) if (record.ID <= end) texts.push(textOf(lineOf(record)));
        if (!page.has_more || page.next_after <= after) break;
        after = page.next_after;
    }
    return texts.join('\n');
}

/**
 * A line as the log's text file has it.
 * @param {Line} line
 */
function textOf(line) {
    const message = plain(line.message).replace(/\r\n|\r|\n/g, '\n    ');
    return `${line.time} [${line.level.toUpperCase()}] ${line.source}: ${message}`;
}

/**
 * What an error says: of a traceback the last line, else the first.
 * @param {string} message
 */
function lastWords(message) {
    const lines = message.split(/\r\n|\r|\n/).filter((line) => line.trim() !== '');
    return (/^Traceback/.test(lines[0] ?? '') ? lines.at(-1) : lines[0]) ?? '';
}
