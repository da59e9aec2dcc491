/** The difference of two texts by words (pure): their longest common subsequence, after Wagner and Fischer's table. */

const MOST_WORDS = 600;

/** @typedef {{text: string, same: boolean}} Piece */

/**
 * Return both texts in pieces that are the same or not; null where they are too long to compare at once.
 * @param {string} before
 * @param {string} after
 * @returns {{before: Piece[], after: Piece[]} | null}
 */
export function difference(before, after) {
    const [one, other] = [words(before), words(after)];
    if (one.length > MOST_WORDS || other.length > MOST_WORDS) return null;
    const width = other.length + 1;
    const common = new Uint16Array((one.length + 1) * width);
    for (let i = one.length - 1; i >= 0; i -= 1) {
        for (let j = other.length - 1; j >= 0; j -= 1) {
            common[i * width + j] = one[i] === other[j]
                ? at(common, (i + 1) * width + j + 1) + 1
                : Math.max(at(common, (i + 1) * width + j), at(common, i * width + j + 1));
        }
    }
    /** @type {{before: Piece[], after: Piece[]}} */
    const found = { before: [], after: [] };
    let [i, j] = [0, 0];
    while (i < one.length || j < other.length) {
        if (i < one.length && j < other.length && one[i] === other[j]) {
            add(found.before, one[i], true);
            add(found.after, other[j], true);
            i += 1;
            j += 1;
        } else if (j >= other.length || (i < one.length && at(common, (i + 1) * width + j) >= at(common, i * width + j + 1))) {
            add(found.before, one[i], false);
            i += 1;
        } else {
            add(found.after, other[j], false);
            j += 1;
        }
    }
    return found;
}

/** @param {string} text words, the space between them, and each sign by itself */
function words(text) {
    return text.match(/[\p{L}\p{N}\p{M}_]+|\s+|[^]/gu) ?? [];
}

/**
 * @param {Uint16Array} table
 * @param {number} index
 */
function at(table, index) {
    return /** @type {number} */ (table[index]);
}

/**
 * @param {Piece[]} pieces
 * @param {string | undefined} text
 * @param {boolean} same
 */
function add(pieces, text = '', same) {
    const last = pieces.at(-1);
    if (last && last.same === same) last.text += text;
    else pieces.push({ text, same });
}
