/**
 * The live end of a log: one stream at a time, closed while the tab is hidden, resumed after the last line, its numbers
 * checked. It tells what it is doing; silence never passes for being live.
 */

import { open, isAbort, ApiError } from '../lib/api.js';
import { writeQuery } from '../lib/address.js';
import { SseReader } from './sse.js';
import { lineOf } from './lines.js';

// The server sends at least a heartbeat each 15 s.
const SILENT_MS = 40_000;
const CHECK_MS = 5_000;
const LONGEST_WAIT_MS = 30_000;

/**
 * @typedef {'connecting' | 'live' | 'hidden' | 'waiting' | 'ended' | 'gone'} TailState
 * @typedef {object} TailOptions
 * @property {number} job
 * @property {Record<string, string>} filter level, source, q
 * @property {number} after the last line that is here
 * @property {AbortSignal} signal
 * @property {(lines: import('./lines.js').Line[]) => void} onLines
 * @property {(state: TailState, reason: string) => void} onState
 * @property {() => void} onReset the log became another one
 * @property {() => Promise<number>} catchUp after a pause: how far the log is here by now
 */

export class Tail {
    /** @param {TailOptions} options */
    constructor(options) {
        this._options = options;
        this.last = options.after;
        this._failures = 0;
        this._filtered = Object.values(options.filter).some(Boolean);
        void this._run();
    }

    async _run() {
        const { signal, onState, catchUp } = this._options;
        let paused = false;
        while (!signal.aborted) {
            if (document.hidden) {
                onState('hidden', '');
                await visible(signal);
                paused = true;
                continue;
            }
            try {
                onState('connecting', '');
                if (paused) this.last = Math.max(this.last, await catchUp());
                paused = false;
                const over = await this._stream();
                if (over) return;
                if (!document.hidden) await this._wait('');
            } catch (error) {
                if (signal.aborted) return;
                if (error instanceof ApiError && (error.status === 404 || error.status === 410)) {
                    onState('gone', error.message);
                    return;
                }
                if (!isAbort(error) || !document.hidden) await this._wait(reasonOf(error));
            }
        }
    }

    /** Read one stream to its end; whether the log is over. */
    async _stream() {
        const { job, filter, signal, onState } = this._options;
        const own = new AbortController();
        const hide = () => document.hidden && own.abort();
        const leave = () => own.abort();
        document.addEventListener('visibilitychange', hide);
        window.addEventListener('offline', leave);
        signal.addEventListener('abort', leave, { once: true, signal: own.signal });
        let heard = Date.now();
        // A laptop that slept finds its clock far ahead, or set back, and the stream dead though nobody said so.
        const watch = setInterval(() => Math.abs(Date.now() - heard) > SILENT_MS && own.abort(), CHECK_MS);
        try {
            const query = writeQuery({ format: 'json', last_event_id: this.last, ...filter });
            const answer = await open(`/jobs/${job}/logs${query}`, 'text/event-stream', own.signal);
            if (answer.status === 204 || answer.body === null) {
                onState('ended', '');
                return true;
            }
            onState('live', '');
            const events = new SseReader();
            const text = new TextDecoder();
            const reader = answer.body.getReader();
            while (true) {
                const { done, value } = await reader.read();
                if (done) return false;
                heard = Date.now();
                const over = this._take(events.feed(text.decode(value, { stream: true })));
                this._retry = events.retry;
                if (over !== null) {
                    own.abort();
                    return over;
                }
            }
        } finally {
            clearInterval(watch);
            document.removeEventListener('visibilitychange', hide);
            window.removeEventListener('offline', leave);
            own.abort();
        }
    }

    /** @type {number | null} */
    _retry = null;

    /**
     * Take some events; null to read on, else whether the log is over.
     * @param {import('./sse.js').ServerEvent[]} events
     * @returns {boolean | null}
     */
    _take(events) {
        const { onLines, onState, onReset } = this._options;
        /** @type {import('./lines.js').Line[]} */
        const lines = [];
        /** @type {boolean | null} */
        let over = null;
        for (const event of events) {
            if (event.event === 'message') {
                const line = lineOf(JSON.parse(event.data));
                if (line.id <= this.last) continue;
                if (!this._filtered && line.id !== this.last + 1) {
                    // Come back after the last good line: what is missing comes then.
                    over = false;
                    break;
                }
                this.last = line.id;
                this._failures = 0;
                lines.push(line);
            } else if (event.event === 'end') {
                over = true;
            } else if (event.event === 'timeout') {
                this._failures = 0;
                over = false;
            } else if (event.event === 'reset') {
                lines.length = 0;
                this.last = 0;
                onReset();
            }
        }
        if (lines.length) onLines(lines);
        if (over) onState('ended', '');
        return over;
    }

    /** @param {string} reason */
    async _wait(reason) {
        this._failures += 1;
        const asked = this._retry ?? 1_000;
        const ms = Math.min(LONGEST_WAIT_MS, asked * 2 ** Math.min(this._failures - 1, 5)) * (0.75 + Math.random() / 2);
        this._options.onState('waiting', reason);
        await new Promise((resolve) => {
            const timer = setTimeout(resolve, ms);
            const wake = () => {
                clearTimeout(timer);
                resolve(undefined);
            };
            window.addEventListener('online', wake, { once: true });
            document.addEventListener('visibilitychange', wake, { once: true });
            this._options.signal.addEventListener('abort', wake, { once: true });
        });
    }
}

/** @param {unknown} error */
function reasonOf(error) {
    if (!navigator.onLine) return 'This computer is offline.';
    return error instanceof Error && !isAbort(error) ? error.message : 'Nothing came for too long.';
}

/** @param {AbortSignal} signal */
function visible(signal) {
    return new Promise((resolve) => {
        const look = () => {
            if (document.hidden && !signal.aborted) return;
            document.removeEventListener('visibilitychange', look);
            resolve(undefined);
        };
        document.addEventListener('visibilitychange', look);
        signal.addEventListener('abort', look, { once: true });
        look();
    });
}
