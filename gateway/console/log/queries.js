/** What is asked of a log beside its rows: the next line of a filter, the line of a moment, and lines as text. */

import { get } from '../lib/api.js';
import { plain } from './ansi.js';
import { PAGE, lineOf } from './lines.js';

const MOST_COPIED = 50_000;

/** @typedef {import('./lines.js').Line} Line */

/**
 * The nearest line of a filter after or before a place, or null; the API looks at 50,000 lines at a time.
 * @param {string} path of the log
 * @param {Record<string, string>} filter
 * @param {{forward: boolean, from: number, last: number, signal: AbortSignal, onLook: (from: number) => void}} place
 * @returns {Promise<number | null>}
 */
export async function nextLine(path, filter, { forward, from, last, signal, onLook }) {
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
export async function lineAtTime(path, last, time, timeAt, signal) {
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
export async function textOfLines(path, { first, last }, filter, signal) {
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
export function textOf(line) {
    const message = plain(line.message).replace(/\r\n|\r|\n/g, '\n    ');
    return `${line.time} [${line.level.toUpperCase()}] ${line.source}: ${message}`;
}

/**
 * What an error says: of a traceback the last line, else the first.
 * @param {string} message
 */
export function lastWords(message) {
    const lines = message.split(/\r\n|\r|\n/).filter((line) => line.trim() !== '');
    return (/^Traceback/.test(lines[0] ?? '') ? lines.at(-1) : lines[0]) ?? '';
}
