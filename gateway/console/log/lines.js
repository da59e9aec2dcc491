/**
 * The lines of a log as the view has them (pure): all of them, by pages that come and go, or those that a filter found.
 *
 * Line numbers have no holes, so all lines are as many as the newest one's number.
 */

export const PAGE = 1_000;
const MOST_PAGES = 100;
const MOST_CHARACTERS = 24_000_000;

/**
 * @typedef {{id: number, level: string, source: string, time: string, message: string}} Line
 */

/**
 * A line of the API, without what all lines of a log share.
 * @param {any} record
 * @returns {Line}
 */
export function lineOf(record) {
    return { id: record.ID, level: record.level, source: record.source, time: record.timestamp, message: record.message };
}

/** All lines of a log: pages of a thousand, those used last. */
export class AllLines {
    constructor() {
        /** How many lines there are, which is the number of the newest. */
        this.length = 0;
        /** @type {Map<number, {lines: (Line | undefined)[], characters: number}>} */
        this._pages = new Map();
        this._characters = 0;
    }

    /**
     * The line of a row, or null while it is not here.
     * @param {number} row from 0
     * @returns {Line | null}
     */
    at(row) {
        return this._pages.get(Math.floor(row / PAGE))?.lines[row % PAGE] ?? null;
    }

    /** @param {number} row */
    idAt(row) {
        return row + 1;
    }

    /** @param {number} id */
    rowOf(id) {
        return Math.min(Math.max(id - 1, 0), Math.max(this.length - 1, 0));
    }

    /**
     * Keep lines, in whatever order and however often they come.
     * @param {Line[]} lines
     */
    put(lines) {
        for (const line of lines) {
            const number = Math.floor((line.id - 1) / PAGE);
            let page = this._pages.get(number);
            if (!page) {
                page = { lines: [], characters: 0 };
                this._pages.set(number, page);
            }
            const place = (line.id - 1) % PAGE;
            if (page.lines[place] === undefined) {
                page.characters += line.message.length;
                this._characters += line.message.length;
            }
            page.lines[place] = line;
            if (line.id > this.length) this.length = line.id;
        }
        const last = lines.at(-1);
        this._evict(last ? Math.floor((last.id - 1) / PAGE) : -1);
    }

    /**
     * Return the pages of which some of these rows are missing, as the line after which each begins.
     * @param {number} first row
     * @param {number} end row after the last
     * @returns {number[]}
     */
    missing(first, end) {
        const found = [];
        const last = Math.min(end, this.length);
        for (let number = Math.floor(first / PAGE); number * PAGE < last; number += 1) {
            const page = this._pages.get(number);
            if (page) this._use(number, page);
            for (let row = Math.max(first, number * PAGE); row < Math.min(last, (number + 1) * PAGE); row += 1) {
                if (page?.lines[row % PAGE] === undefined) {
                    found.push(number * PAGE);
                    break;
                }
            }
        }
        return found;
    }

    clear() {
        this.length = 0;
        this._pages.clear();
        this._characters = 0;
    }

    /**
     * @param {number} number
     * @param {{lines: (Line | undefined)[], characters: number}} page
     */
    _use(number, page) {
        // A Map goes through its keys in the order of their setting: the first is the one longest unused.
        this._pages.delete(number);
        this._pages.set(number, page);
    }

    /** @param {number} kept the page that was written last */
    _evict(kept) {
        for (const [number, page] of this._pages) {
            if (this._pages.size <= 2) return;
            if (this._pages.size <= MOST_PAGES && this._characters <= MOST_CHARACTERS) return;
            if (number === kept) continue;
            this._pages.delete(number);
            this._characters -= page.characters;
        }
    }
}

/** The lines that a filter found so far, from the newest back: how many there are in all nobody knows. */
export class FoundLines {
    constructor() {
        /** @type {Line[]} */
        this._lines = [];
        /** The line before which nothing was looked at yet; 0 when all was. */
        this.lookedTo = Infinity;
    }

    get length() {
        return this._lines.length;
    }

    get done() {
        return this.lookedTo <= 1;
    }

    /** @param {number} row */
    at(row) {
        return this._lines[row] ?? null;
    }

    /** @param {number} row */
    idAt(row) {
        return this._lines[row]?.id ?? 0;
    }

    /**
     * The row of a line or, if it was not found, of the next one.
     * @param {number} id
     */
    rowOf(id) {
        let [low, high] = [0, this._lines.length];
        while (low < high) {
            const middle = (low + high) >> 1;
            if (/** @type {Line} */ (this._lines[middle]).id < id) low = middle + 1;
            else high = middle;
        }
        return Math.min(low, Math.max(this._lines.length - 1, 0));
    }

    /**
     * Add lines that lie before all others, oldest first, and how far was looked.
     * @param {Line[]} lines
     * @param {number} lookedTo
     */
    before(lines, lookedTo) {
        this._lines = [...lines, ...this._lines];
        this.lookedTo = lookedTo;
    }

    /**
     * Add lines that came live; those that are here already do not count.
     * @param {Line[]} lines
     */
    put(lines) {
        for (const line of lines) {
            if (line.id > (this._lines.at(-1)?.id ?? 0)) this._lines.push(line);
        }
    }

    /** @returns {number[]} */
    missing() {
        return [];
    }

    clear() {
        this._lines = [];
        this.lookedTo = Infinity;
    }
}

/**
 * Split a message where a terminal would: into its first line and how many more there are.
 * @param {string} message
 * @returns {{first: string, more: number}}
 */
export function firstLine(message) {
    const end = message.search(/[\r\n]/);
    if (end < 0) return { first: message, more: 0 };
    const rest = message.slice(end).replace(/^(\r\n|\r|\n)/, '');
    if (rest === '') return { first: message.slice(0, end), more: 0 };
    return { first: message.slice(0, end), more: (rest.replace(/(\r\n|\r|\n)$/, '').match(/\r\n|\r|\n/g) ?? []).length + 1 };
}
