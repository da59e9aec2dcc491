/** A list of the API as a page: filters that are its address, a table that stays up to date, pages, an empty page. */

import { get, isAbort } from './api.js';
import { h, replace } from './dom.js';
import { problem } from './elements.js';
import { count, plural } from './format.js';

const POLL_MS = 5_000;
const LIMITS = 25;

/** @typedef {import('./dom.js').Child} Child */
/** @typedef {import('../main.js').Page} Page */

/**
 * @typedef {object} Column
 * @property {string} title
 * @property {string} [purpose] what a column without a title is for
 * @property {(record: any) => Child} cell
 * @property {string} [class]
 */

/**
 * @typedef {object} Filter
 * @property {string} name of the parameter in the page's address
 * @property {string} label
 * @property {string} [parameter] of the API, where it is another
 * @property {[string, string][]} [options] value and words; without them it is a field of text
 * @property {string} [inputmode]
 */

/**
 * Show a list below `root` for as long as the page is open.
 * @param {Page} page
 * @param {HTMLElement} root
 * @param {object} options
 * @param {string} options.path of the API
 * @param {string} options.name what the records are, for readers
 * @param {Column[]} options.columns
 * @param {Filter[]} [options.filters]
 * @param {Record<string, any>} [options.fixed] more parameters
 * @param {(record: any) => string | number} [options.key]
 * @param {() => Child} options.empty what to say while there is nothing at all
 * @param {(records: any[]) => void} [options.onRecords]
 * @returns {{reload: () => Promise<void>}}
 */
export function showList(page, root, options) {
    const { path, name, columns, filters = [], fixed = {}, key = (record) => record.ID } = options;
    /** @type {Map<string | number, {text: string, row: HTMLElement}>} */
    let rows = new Map();
    const body = h('tbody');
    const table = h('div', { class: 'table-scroll', tabindex: '0', role: 'region', 'aria-label': name },
        h('table', { class: 'list' },
            h('caption', { class: 'offscreen' }, name),
            h('thead', null, h('tr', null, columns.map((column) => h('th', { scope: 'col', class: column.class }, column.title || h('span', { class: 'offscreen' }, column.purpose))))),
            body));
    const problems = h('div');
    const content = h('div', { class: 'list-content' }, h('p', { class: 'quiet loading' }, 'Loading …'));
    const pager = h('nav', { class: 'pager', 'aria-label': 'Pages' });
    const bar = filters.length ? filterBar() : null;
    replace(root, bar, problems, content, pager);

    function filterBar() {
        return h('form', { class: 'filters', role: 'search', 'aria-label': `Filter ${name}`, onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
            filters.map((filter) => h('label', null, h('span', null, filter.label), control(filter))));
    }

    /** @param {Filter} filter */
    function control(filter) {
        const value = page.query[filter.name] ?? '';
        if (filter.options) {
            const options = filter.options.map(([option, words]) => h('option', { value: option, selected: option === value }, words));
            return h('select', { onchange: (/** @type {any} */ event) => change(filter, event.target.value) }, options);
        }
        /** @type {number | undefined} */
        let timer;
        return h('input', {
            type: 'search', value, inputmode: filter.inputmode, autocomplete: 'off', spellcheck: 'false', maxlength: 255,
            'data-search': filter === filters.find((one) => !one.options),
            oninput: (/** @type {any} */ event) => {
                clearTimeout(timer);
                timer = window.setTimeout(() => change(filter, event.target.value.trim()), 250);
            },
        });
    }

    /**
     * @param {Filter} filter
     * @param {string} value
     */
    function change(filter, value) {
        page.setQuery({ ...page.query, [filter.name]: value, page: '' });
        void reload();
    }

    let asked = 0;
    async function reload() {
        asked += 1;
        const number = asked;
        /** @type {Record<string, any>} */
        const query = { ...fixed, page: page.query.page ?? 1, limit: LIMITS };
        for (const filter of filters) query[filter.parameter ?? filter.name] = page.query[filter.name];
        try {
            const answer = await get(path, { query, signal: page.signal });
            if (number !== asked) return;
            replace(problems);
            show(answer);
        } catch (error) {
            if (isAbort(error) || number !== asked) return;
            replace(problems, problem(error));
            content.querySelector('.loading')?.remove();
            if (!body.isConnected) replace(pager);
        }
    }

    /** @param {any} answer */
    function show(answer) {
        const filtered = filters.some((filter) => page.query[filter.name]);
        if (answer.data.length === 0) {
            const past = answer.total > 0;
            rows = new Map();
            replace(content, filtered || past
                ? h('div', { class: 'empty' }, h('p', { class: 'empty-title' }, past ? 'This page is past the end.' : `No ${name} match.`),
                    h('p', null, h('a', { href: location.pathname }, `Show all ${name}`)))
                : options.empty());
            replace(pager);
            options.onRecords?.([]);
            return;
        }
        /** @type {typeof rows} */
        const present = new Map();
        for (const record of answer.data) {
            // Rows that say the same stay, with their focus; those of relative times are made anew once a minute.
            const text = `${JSON.stringify(record)}${Math.floor(Date.now() / 60_000)}`;
            const old = rows.get(key(record));
            const cells = () => columns.map((column) => h('td', { class: column.class, 'data-title': column.title }, column.cell(record)));
            if (old && old.text !== text && !old.row.contains(document.activeElement)) replace(old.row, cells());
            present.set(key(record), { text, row: old?.row ?? h('tr', null, cells()) });
        }
        rows = present;
        const wanted = [...rows.values()].map((one) => one.row);
        if (wanted.length !== body.children.length || wanted.some((row, i) => body.children[i] !== row)) replace(body, wanted);
        if (!table.isConnected) replace(content, table);
        showPager(answer);
        options.onRecords?.(answer.data);
    }

    /** @param {any} answer */
    function showPager(answer) {
        const last = Math.max(1, Math.ceil(answer.total / LIMITS));
        const present = answer.page;
        const first = (present - 1) * LIMITS + 1;
        const to = (/** @type {number} */ number, /** @type {string} */ words) =>
            number < 1 || number > last || number === present
                ? h('span', { class: 'quiet' }, words)
                : h('a', { href: page.addressOf({ ...page.query, page: number === 1 ? '' : String(number) }) }, words);
        const range = last === 1 ? plural(answer.total, name.replace(/s$/, ''), name)
            : `${count(first)}–${count(first + answer.data.length - 1)} of ${count(answer.total)}`;
        const text = JSON.stringify([present, last, range, page.query]);
        if (pager.dataset.shown === text) return;
        pager.dataset.shown = text;
        replace(pager, h('span', null, range),
            last > 1 ? [to(1, 'First'), to(present - 1, 'Previous'), to(present + 1, 'Next'), to(last, 'Last')] : null);
    }

    page.every(POLL_MS, reload);
    return { reload };
}
