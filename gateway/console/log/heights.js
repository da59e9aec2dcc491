/**
 * Where rows lie when most are one unit high and a few are higher (pure): between a row and its place in units.
 */

export class Heights {
    constructor() {
        /** @type {number[]} rows that are higher than one, in order */
        this._rows = [];
        /** @type {number[]} how much is added before each of them */
        this._added = [0];
    }

    /**
     * Say which rows are higher than one unit, and how high.
     * @param {[number, number][]} tall row and height, in the order of the rows
     */
    set(tall) {
        this._rows = tall.map(([row]) => row);
        this._added = [0];
        for (const [, height] of tall) this._added.push(/** @type {number} */ (this._added.at(-1)) + height - 1);
    }

    /**
     * The height of so many rows.
     * @param {number} rows
     */
    total(rows) {
        return rows + /** @type {number} */ (this._added[this._before(rows)]);
    }

    /**
     * Where a row begins.
     * @param {number} row
     */
    start(row) {
        return this.total(row);
    }

    /**
     * The row at a place, and how far into it the place lies, from 0 to 1.
     * @param {number} place
     * @returns {{row: number, part: number}}
     */
    at(place) {
        let [low, high] = [0, this._rows.length];
        while (low < high) {
            const middle = (low + high) >> 1;
            if (this.start(/** @type {number} */ (this._rows[middle])) <= place) low = middle + 1;
            else high = middle;
        }
        const tall = this._rows[low - 1];
        if (tall !== undefined) {
            const start = this.start(tall);
            const height = this.start(tall + 1) - start;
            if (place < start + height) return { row: tall, part: (place - start) / height };
        }
        const row = Math.floor(place - /** @type {number} */ (this._added[low]));
        return { row, part: place - this.start(row) };
    }

    /** @param {number} row how many tall rows lie before it */
    _before(row) {
        let [low, high] = [0, this._rows.length];
        while (low < high) {
            const middle = (low + high) >> 1;
            if (/** @type {number} */ (this._rows[middle]) < row) low = middle + 1;
            else high = middle;
        }
        return low;
    }
}
