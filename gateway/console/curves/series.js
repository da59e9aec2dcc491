/** Curves as numbers (pure): series, smoothing, thinning, scales. What is no number keeps its place as NaN. */

/**
 * @typedef {object} Series
 * @property {string} name
 * @property {number} count how many points the API has; more than here where it thinned them
 * @property {number[]} steps
 * @property {number[]} values
 * @property {number[]} times milliseconds since 1970
 * @property {(number | null)[]} lines of the log
 */

/**
 * A series of the API.
 * @param {{name: string, count: number, points: [number, any, string, number | null][]}} record
 * @returns {Series}
 */
export function seriesOf(record) {
    return {
        name: record.name,
        count: record.count,
        steps: record.points.map((point) => point[0]),
        values: record.points.map((point) => number(point[1])),
        times: record.points.map((point) => Date.parse(point[2])),
        lines: record.points.map((point) => point[3]),
    };
}

/** @param {unknown} value */
function number(value) {
    if (typeof value === 'number') return value;
    if (value === 'Infinity') return Infinity;
    return value === '-Infinity' ? -Infinity : NaN;
}

/**
 * A series with points of later steps, which replace those from their first step on.
 * @param {Series} old
 * @param {Series} more
 * @returns {Series}
 */
export function extended(old, more) {
    const from = more.steps[0];
    if (from === undefined) return old;
    let kept = old.steps.length;
    while (kept > 0 && /** @type {number} */ (old.steps[kept - 1]) >= from) kept -= 1;
    return {
        name: old.name,
        count: old.count - (old.steps.length - kept) + more.count,
        steps: [...old.steps.slice(0, kept), ...more.steps],
        values: [...old.values.slice(0, kept), ...more.values],
        times: [...old.times.slice(0, kept), ...more.times],
        lines: [...old.lines.slice(0, kept), ...more.lines],
    };
}

/**
 * The exponential moving average of all finite values, without its bias towards the start (as Adam corrects it).
 * @param {number[]} values
 * @param {number} weight of what was, from 0 to below 1
 * @returns {number[]} NaN where the value is not finite
 */
export function smoothed(values, weight) {
    if (weight <= 0) return values.slice();
    let sum = 0;
    let bias = 1;
    return values.map((value) => {
        if (!Number.isFinite(value)) return NaN;
        sum = sum * weight + value * (1 - weight);
        bias *= weight;
        return sum / (1 - bias);
    });
}

/**
 * Thin a curve to at most four points a column, its first, smallest, largest and last: it looks the same, spikes and all.
 * @param {number[]} xs in pixels, ascending
 * @param {number[]} ys NaN where the curve is broken
 * @returns {number[]} the places of the points that are drawn, ascending
 */
export function thinned(xs, ys) {
    /** @type {number[]} */
    const kept = [];
    let start = 0;
    while (start < xs.length) {
        const column = Math.floor(/** @type {number} */ (xs[start]));
        let [end, low, high] = [start, start, start];
        /** @type {number[]} */
        const broken = [];
        for (; end < xs.length && Math.floor(/** @type {number} */ (xs[end])) === column; end += 1) {
            const y = /** @type {number} */ (ys[end]);
            if (Number.isNaN(y)) {
                if (broken.length === 0) broken.push(end);
            } else {
                if (!(y >= /** @type {number} */ (ys[low]))) low = end;
                if (!(y <= /** @type {number} */ (ys[high]))) high = end;
            }
        }
        kept.push(...[...new Set([start, low, high, end - 1, ...broken])].sort((a, b) => a - b));
        start = end;
    }
    return kept;
}

/**
 * The place of the value nearest to x in ascending numbers; -1 where there are none.
 * @param {number[]} xs
 * @param {number} x
 */
export function nearest(xs, x) {
    let [low, high] = [0, xs.length];
    while (low < high) {
        const middle = (low + high) >> 1;
        if (/** @type {number} */ (xs[middle]) < x) low = middle + 1;
        else high = middle;
    }
    if (low === 0) return xs.length ? 0 : -1;
    if (low === xs.length) return low - 1;
    return x - /** @type {number} */ (xs[low - 1]) <= /** @type {number} */ (xs[low]) - x ? low - 1 : low;
}

/**
 * The least and the greatest of the finite numbers; null where there are none.
 * @param {Iterable<number>} values
 * @param {boolean} [positive] of those above 0 only
 * @returns {[number, number] | null}
 */
export function extent(values, positive = false) {
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) {
        if (!Number.isFinite(value) || (positive && value <= 0)) continue;
        if (value < low) low = value;
        if (value > high) high = value;
    }
    return low <= high ? [low, high] : null;
}

/**
 * Round numbers between two others, about as many as wanted.
 * @param {number} low
 * @param {number} high
 * @param {number} wanted
 * @returns {number[]}
 */
export function ticks(low, high, wanted) {
    const span = high - low;
    if (!(span > 0) || !Number.isFinite(span)) return Number.isFinite(low) ? [low] : [];
    const rough = span / wanted;
    const power = 10 ** Math.floor(Math.log10(rough));
    const unit = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10);
    const found = [];
    for (let i = Math.ceil(low / unit - 1e-9); i * unit <= high + unit * 1e-9; i += 1) found.push(Number((i * unit).toPrecision(12)));
    return found;
}

/**
 * Powers of ten between two positive numbers, and where there are few of these, two and five times them.
 * @param {number} low
 * @param {number} high
 * @returns {number[]}
 */
export function logTicks(low, high) {
    const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
    const stride = Math.max(1, Math.ceil((last - first) / 5));
    const factors = last - first <= 2 ? [1, 2, 5] : [1];
    const found = [];
    for (let exponent = first; exponent <= last; exponent += stride) {
        for (const factor of factors) {
            const tick = Number((factor * 10 ** exponent).toPrecision(12));
            if (tick >= low * 0.999 && tick <= high * 1.001) found.push(tick);
        }
    }
    return found.length ? found : [low];
}

/**
 * The epoch of each step, between two that are known in proportion; null where the job says no epochs.
 * @param {number[]} steps
 * @param {Series | undefined} epochs the metric of that name
 * @returns {number[] | null}
 */
export function epochsOf(steps, epochs) {
    if (!epochs || epochs.steps.length === 0) return null;
    const known = epochs.steps;
    let at = 0;
    return steps.map((step) => {
        while (at < known.length - 1 && /** @type {number} */ (known[at + 1]) <= step) at += 1;
        const [from, value] = [/** @type {number} */ (known[at]), /** @type {number} */ (epochs.values[at])];
        const [to, next] = [known[at + 1], epochs.values[at + 1]];
        if (to === undefined || next === undefined || step <= from) return value;
        return value + ((step - from) / (to - from)) * (next - value);
    });
}
