/** Numbers, sizes, times and text as people read them (pure). */

const BYTES = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
const DASH = '–';

/**
 * A whole number in groups of three.
 * @param {number | null | undefined} value
 * @returns {string}
 */
export function count(value) {
    if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
    return String(Math.trunc(value)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/**
 * A metric's value in at most five digits that say something; what is no number says so.
 * @param {unknown} value a number, or NaN and the infinities as strings, as JSON has to carry them
 * @returns {string}
 */
export function figure(value) {
    if (typeof value === 'string' && /^-?(NaN|Infinity)$/.test(value)) return value.replace('Infinity', '∞');
    if (typeof value !== 'number' || Number.isNaN(value)) return typeof value === 'number' ? 'NaN' : DASH;
    if (!Number.isFinite(value)) return value > 0 ? '∞' : '-∞';
    const size = Math.abs(value);
    if (size !== 0 && (size < 0.001 || size >= 1e7)) return trim(value.toExponential(2));
    if (Number.isInteger(value)) return String(value);
    return trim(size >= 1000 ? value.toFixed(1) : value.toPrecision(4));
}

/** @param {string} text */
function trim(text) {
    const [mantissa, exponent] = text.split('e');
    const short = /** @type {string} */ (mantissa).includes('.') ? String(mantissa).replace(/\.?0+$/, '') : mantissa;
    return exponent === undefined ? String(short) : `${short}e${exponent.replace('+', '')}`;
}

/**
 * A ratio as a percentage with one decimal.
 * @param {number | null | undefined} ratio
 * @returns {string}
 */
export function percent(ratio) {
    return typeof ratio === 'number' && Number.isFinite(ratio) ? `${(ratio * 100).toFixed(1)} %` : DASH;
}

/**
 * A difference of two ratios in points, signed.
 * @param {number | null | undefined} difference
 * @returns {string}
 */
export function points(difference) {
    if (typeof difference !== 'number' || !Number.isFinite(difference)) return DASH;
    const rounded = (difference * 100).toFixed(1);
    return Number(rounded) > 0 ? `+${rounded}` : rounded.replace('-0.0', '0.0').replace('-', '−');
}

/**
 * A p-value as papers print it.
 * @param {number | null | undefined} p
 * @returns {string}
 */
export function pValue(p) {
    if (typeof p !== 'number' || !Number.isFinite(p)) return DASH;
    return p < 0.001 ? 'p < 0.001' : `p = ${p.toFixed(3)}`;
}

/**
 * A size in decimal units, as file managers and registries show it.
 * @param {number | null | undefined} size
 * @returns {string}
 */
export function bytes(size) {
    if (typeof size !== 'number' || !Number.isFinite(size)) return DASH;
    let value = size;
    let unit = 0;
    while (value >= 999.5 && unit < BYTES.length - 1) {
        value /= 1000;
        unit += 1;
    }
    return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${BYTES[unit]}`;
}

/**
 * Seconds as a duration of at most two units.
 * @param {number | null | undefined} seconds
 * @returns {string}
 */
export function duration(seconds) {
    if (typeof seconds !== 'number' || !Number.isFinite(seconds)) return DASH;
    const whole = Math.max(0, Math.round(seconds));
    const days = Math.floor(whole / 86400);
    const hours = Math.floor(whole / 3600) % 24;
    const minutes = Math.floor(whole / 60) % 60;
    if (days) return `${count(days)} d ${hours} h`;
    if (hours) return `${hours} h ${minutes} min`;
    if (minutes) return `${minutes} min ${whole % 60} s`;
    return `${whole} s`;
}

/**
 * How long ago a time was, or how long until then.
 * @param {string | null | undefined} time RFC 3339
 * @param {number} now milliseconds since 1970
 * @returns {string}
 */
export function ago(time, now) {
    const then = time ? Date.parse(time) : NaN;
    if (Number.isNaN(then)) return DASH;
    const seconds = Math.round((now - then) / 1000);
    if (Math.abs(seconds) < 5) return 'now';
    const span = coarse(Math.abs(seconds));
    return seconds > 0 ? `${span} ago` : `in ${span}`;
}

/** @param {number} seconds */
function coarse(seconds) {
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
    return `${Math.floor(seconds / 86400)} d`;
}

/**
 * The seconds between two times, the second of which may be still to come.
 * @param {string | null | undefined} start
 * @param {string | null | undefined} end
 * @param {number} now
 * @returns {number | null}
 */
export function elapsed(start, end, now) {
    if (!start) return null;
    const until = end ? Date.parse(end) : now;
    return Math.max(0, (until - Date.parse(start)) / 1000);
}

/**
 * A moment in the reader's own time zone: `2026-02-19 10:30:45`.
 * @param {string | null | undefined} time
 * @returns {string}
 */
export function moment(time) {
    const at = new Date(time ?? NaN);
    if (Number.isNaN(at.getTime())) return DASH;
    const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
    const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    return `${date} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/**
 * One thing, or several of it.
 * @param {number} n
 * @param {string} one
 * @param {string} [many]
 * @returns {string}
 */
export function plural(n, one, many) {
    return `${count(n)} ${n === 1 ? one : many ?? `${one}s`}`;
}

/**
 * Words of an API, `fine_tuned`, as a person would write them.
 * @param {string} name
 * @returns {string}
 */
export function spoken(name) {
    return name.replace(/(?<=[a-z0-9])_(?=[a-z0-9])/gi, ' ');
}

/**
 * Quote a word for a POSIX shell.
 * @param {string} word
 * @returns {string}
 */
export function shellWord(word) {
    return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replace(/'/g, "'\\''")}'`;
}

const PLACED = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/;
const CONTROLS = ('NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS ' +
    'RS US').split(' ');
const NAMES = /** @type {Record<string, string>} */ ({
    '061c': 'ALM', '200b': 'ZWSP', '200c': 'ZWNJ', '200d': 'ZWJ', '200e': 'LRM', '200f': 'RLM', 2028: 'LSEP', 2029: 'PSEP',
    '202a': 'LRE', '202b': 'RLE', '202c': 'PDF', '202d': 'LRO', '202e': 'RLO', 2060: 'WJ', 2066: 'LRI', 2067: 'RLI',
    2068: 'FSI', 2069: 'PDI', feff: 'BOM',
});

/**
 * Split text where characters are that would not show or would turn the line round; each such is a piece of its own, with
 * the name by which it is shown instead. Emoji keep their joiners.
 * @param {string} text
 * @returns {{text: string, mark: string | null}[]}
 */
export function reveal(text) {
    if (!PLACED.test(text)) return text === '' ? [] : [{ text, mark: null }];
    const pieces = [];
    let plain = '';
    for (let i = 0; i < text.length; i += 1) {
        const character = /** @type {string} */ (text[i]);
        const joins = character === '\u200d' && /[\ufe0f\udc00-\udfff]/.test(text[i - 1] ?? '');
        if (!PLACED.test(character) || joins) {
            plain += character;
            continue;
        }
        if (plain) pieces.push({ text: plain, mark: null });
        plain = '';
        pieces.push({ text: character, mark: markOf(character) });
    }
    if (plain) pieces.push({ text: plain, mark: null });
    return pieces;
}

/** @param {string} character */
function markOf(character) {
    const code = character.charCodeAt(0);
    if (code < 0x20) return /** @type {string} */ (CONTROLS[code]);
    if (code === 0x7f) return 'DEL';
    const hex = code.toString(16).padStart(4, '0');
    return NAMES[hex] ?? `U+${hex.toUpperCase()}`;
}

/** @type {Record<string, string>} */
const TESTS = { mcnemar_mid_p: 'McNemar’s test (mid-p)', wilcoxon: 'Wilcoxon’s signed-rank test', paired_bootstrap: 'a paired bootstrap' };

/**
 * A test of significance as statisticians call it.
 * @param {string | null | undefined} name in the API
 */
export function testName(name) {
    return TESTS[name ?? ''] ?? 'a test';
}
