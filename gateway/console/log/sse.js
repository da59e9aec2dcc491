/** Server-sent events out of a stream of text (pure): WHATWG HTML, section 9.2.6, without what a page does not need. */

/**
 * @typedef {{event: string, data: string, id: string | null}} ServerEvent
 */

export class SseReader {
    constructor() {
        /** Milliseconds to wait before coming back, as the server last said, or null. */
        this.retry = /** @type {number | null} */ (null);
        this._rest = '';
        this._afterReturn = false;
        this._started = false;
        this._event = '';
        /** @type {string[]} */
        this._data = [];
        this._id = /** @type {string | null} */ (null);
    }

    /**
     * Take a piece of the stream, cut anywhere, and return the events that it completes.
     * @param {string} text
     * @returns {ServerEvent[]}
     */
    feed(text) {
        if (!this._started && text) {
            this._started = true;
            if (text.startsWith('\ufeff')) text = text.slice(1);
        }
        // A line may end in \r\n, and the piece between the two.
        if (this._afterReturn && text.startsWith('\n')) text = text.slice(1);
        if (text) this._afterReturn = text.endsWith('\r');
        const whole = this._rest + (text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text);
        /** @type {ServerEvent[]} */
        const events = [];
        let start = 0;
        for (let end = whole.indexOf('\n'); end >= 0; end = whole.indexOf('\n', start)) {
            this._line(whole.slice(start, end), events);
            start = end + 1;
        }
        this._rest = whole.slice(start);
        return events;
    }

    /**
     * @param {string} line
     * @param {ServerEvent[]} events
     */
    _line(line, events) {
        if (line === '') {
            if (this._data.length) events.push({ event: this._event || 'message', data: this._data.join('\n'), id: this._id });
            this._event = '';
            this._data = [];
            this._id = null;
            return;
        }
        const colon = line.indexOf(':');
        if (colon === 0) return;
        const name = colon < 0 ? line : line.slice(0, colon);
        let value = colon < 0 ? '' : line.slice(colon + 1);
        if (value.startsWith(' ')) value = value.slice(1);
        if (name === 'data') this._data.push(value);
        else if (name === 'event') this._event = value;
        else if (name === 'id' && !value.includes('\0')) this._id = value;
        else if (name === 'retry' && /^\d{1,9}$/.test(value)) this.retry = Number(value);
    }
}
