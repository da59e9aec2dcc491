/** The address as state (pure): which page a path is, what its query and fragment say, and back again. */

/**
 * @typedef {{module: string, section: string, params: Record<string, string>}} Route
 * @typedef {Record<string, string>} Query
 */

/** @type {[RegExp, string, string][]} */
const ROUTES = [
    [/^\/ui\/jobs$/, 'jobs', 'jobs'],
    [/^\/ui\/jobs\/(?<id>[1-9]\d{0,18}|latest)$/, 'job', 'jobs'],
    [/^\/ui\/compare$/, 'compare', 'jobs'],
    [/^\/ui\/models$/, 'models', 'models'],
    [/^\/ui\/models\/(?<id>[1-9]\d{0,18})$/, 'model', 'models'],
    [/^\/ui\/evaluations$/, 'evaluations', 'evaluations'],
    [/^\/ui\/evaluations\/(?<id>[1-9]\d{0,18})$/, 'evaluation', 'evaluations'],
    [/^\/ui\/datasets$/, 'datasets', 'datasets'],
    [/^\/ui\/login$/, 'login', ''],
];

/**
 * Return the page of a path, or null where there is none.
 * @param {string} path
 * @returns {Route | null}
 */
export function route(path) {
    const plain = path.length > 1 ? path.replace(/\/+$/, '') : path;
    for (const [pattern, module, section] of ROUTES) {
        const match = pattern.exec(plain);
        if (match) return { module, section, params: { ...match.groups } };
    }
    return null;
}

/**
 * Read a query string; of a name that comes twice the last counts, and what is no UTF-8 is as it stands.
 * @param {string} text
 * @returns {Query}
 */
export function readQuery(text) {
    /** @type {Query} */
    const query = {};
    for (const pair of text.replace(/^\?/, '').split('&')) {
        if (pair === '') continue;
        const [name, ...rest] = pair.split('=');
        query[decode(/** @type {string} */ (name))] = decode(rest.join('='));
    }
    return query;
}

/**
 * Write a query string, with its question mark; names without a value are left out.
 * @param {Record<string, string | number | boolean | null | undefined | string[]>} query
 * @returns {string}
 */
export function writeQuery(query) {
    const pairs = [];
    for (const [name, value] of Object.entries(query)) {
        for (const one of Array.isArray(value) ? value : [value]) {
            if (one === null || one === undefined || one === '' || one === false) continue;
            pairs.push(`${encodeURIComponent(name)}=${encodeURIComponent(String(one)).replace(/%2C/g, ',')}`);
        }
    }
    return pairs.length ? `?${pairs.join('&')}` : '';
}

/**
 * Return the lines that a fragment names, `#L120` or `#L120-140`, in their order; null where it names none.
 * @param {string} fragment
 * @returns {{first: number, last: number} | null}
 */
export function readLines(fragment) {
    const match = /^#L(\d{1,15})(?:-L?(\d{1,15}))?$/.exec(fragment);
    if (!match) return null;
    const one = Number(match[1]);
    const other = match[2] === undefined ? one : Number(match[2]);
    if (one < 1 || other < 1) return null;
    return { first: Math.min(one, other), last: Math.max(one, other) };
}

/**
 * Return the fragment of some lines.
 * @param {{first: number, last: number} | null} lines
 * @returns {string}
 */
export function writeLines(lines) {
    if (lines === null) return '';
    return lines.first === lines.last ? `#L${lines.first}` : `#L${lines.first}-${lines.last}`;
}

/**
 * Return the numbers of a list such as `5,6,7`, each once, at most `most`.
 * @param {string | undefined} text
 * @param {number} most
 * @returns {number[]}
 */
export function readNumbers(text, most) {
    const numbers = (text ?? '').split(',').filter((part) => /^[1-9]\d{0,15}$/.test(part.trim())).map(Number);
    return [...new Set(numbers)].slice(0, most);
}

/**
 * @param {string} text
 * @returns {string}
 */
function decode(text) {
    const spaced = text.replace(/\+/g, ' ');
    try {
        return decodeURIComponent(spaced);
    } catch {
        return spaced;
    }
}
