/** The colours of a terminal's output (pure); every other escape sequence goes. ECMA-48, and xterm's 256 colours. */

/**
 * Text of one colour: 0 to 7 as terminals number them, null for the usual one.
 * @typedef {{text: string, front: number | null, back: number | null}} Run
 */

// CSI; OSC, DCS and the other strings up to their end; all other sequences. A lone ESC stays, to be shown as a mark.
const SEQUENCE = /(?:\x1b\[|\x9b)([0-?]*)[ -/]*([@-~])|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)|\x1b[ -/]*[0-OQ-WYZ`-~\\]/g;

/**
 * Split text into runs of one colour.
 * @param {string} text
 * @returns {Run[]}
 */
export function runs(text) {
    if (!/[\x1b\x90\x98\x9b\x9d-\x9f]/.test(text)) return text === '' ? [] : [{ text, front: null, back: null }];
    /** @type {Run[]} */
    const found = [];
    let colours = { front: /** @type {number | null} */ (null), back: /** @type {number | null} */ (null) };
    let start = 0;
    for (const match of text.matchAll(SEQUENCE)) {
        add(found, text.slice(start, match.index), colours);
        start = match.index + match[0].length;
        if (match[2] === 'm') colours = select(match[1] ?? '', colours);
    }
    add(found, text.slice(start), colours);
    return found;
}

/**
 * The same text without any sequence.
 * @param {string} text
 * @returns {string}
 */
export function plain(text) {
    return text.replace(SEQUENCE, '');
}

/**
 * @param {Run[]} found
 * @param {string} text
 * @param {{front: number | null, back: number | null}} colours
 */
function add(found, text, colours) {
    if (text === '') return;
    const last = found.at(-1);
    if (last && last.front === colours.front && last.back === colours.back) last.text += text;
    else found.push({ text, ...colours });
}

/**
 * @param {string} parameters
 * @param {{front: number | null, back: number | null}} present
 */
function select(parameters, present) {
    const colours = { ...present };
    const codes = parameters.split(/[;:]/).slice(0, 64).map(Number);
    for (let i = 0; i < codes.length; i += 1) {
        const code = /** @type {number} */ (codes[i]);
        if (code === 0) Object.assign(colours, { front: null, back: null });
        else if (code >= 30 && code <= 37) colours.front = code - 30;
        else if (code >= 90 && code <= 97) colours.front = code - 90;
        else if (code === 39) colours.front = null;
        else if (code >= 40 && code <= 47) colours.back = code - 40;
        else if (code >= 100 && code <= 107) colours.back = code - 100;
        else if (code === 49) colours.back = null;
        else if (code === 38 || code === 48) {
            const wide = codes[i + 1] === 2;
            const colour = wide ? nearest(codes.slice(i + 2, i + 5)) : indexed(codes[i + 2] ?? 0);
            colours[code === 38 ? 'front' : 'back'] = colour;
            i += wide ? 4 : 2;
        }
    }
    return colours;
}

/**
 * One of the eight, so that contrast is ours: a program's own shade might be unreadable on one of the two grounds.
 * @param {(number | undefined)[]} rgb
 */
function nearest(rgb) {
    const [red = 0, green = 0, blue = 0] = rgb;
    const top = Math.max(red, green, blue);
    if (top < 64) return 0;
    return (red > top / 2 ? 1 : 0) + (green > top / 2 ? 2 : 0) + (blue > top / 2 ? 4 : 0);
}

/** @param {number} index */
function indexed(index) {
    if (index < 16) return index % 8;
    if (index >= 232) return index < 244 ? 0 : 7;
    const cube = index - 16;
    const level = (/** @type {number} */ n) => (n === 0 ? 0 : 55 + 40 * n);
    return nearest([level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)]);
}
