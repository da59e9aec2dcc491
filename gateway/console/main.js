/** The frame: finds the page of an address, shows it, keeps the address, and has the keys that hold everywhere. */

import { readQuery, route, writeQuery } from './lib/address.js';
import { h, replace } from './lib/dom.js';
import { announce, empty, problem } from './lib/elements.js';
import { ApiError, isAbort } from './lib/api.js';

/** @typedef {import('./lib/address.js').Query} Query */

/**
 * What a page is given.
 * @typedef {object} Page
 * @property {Record<string, string>} params of the path
 * @property {Query} query
 * @property {AbortSignal} signal aborted when the page is left
 * @property {(query: Query, options?: {push?: boolean, fragment?: string}) => void} setQuery change the address, not the page
 * @property {(query: Query) => string} addressOf
 * @property {(ms: number, task: () => Promise<unknown> | unknown) => void} every at once, and then while the tab is visible
 * @property {(title: string) => void} setTitle
 * @property {(keys: Record<string, Shortcut>) => void} setKeys
 * @property {(address: string, options?: {replace?: boolean}) => void} go
 */

/** @typedef {{words: string, run: (event: KeyboardEvent) => void}} Shortcut */

const SECTIONS = [['jobs', 'Jobs'], ['models', 'Models'], ['evaluations', 'Evaluations'], ['datasets', 'Test sets']];
const NO_KEYS = 'tunedeck.no-keys';

/** @type {Record<string, () => Promise<{show: (page: Page, root: HTMLElement) => unknown}>>} */
const MODULES = {
    jobs: () => import('./pages/jobs.js'),
    job: () => import('./pages/job.js'),
    compare: () => import('./pages/compare.js'),
    models: () => import('./pages/models.js'),
    model: () => import('./pages/model.js'),
    evaluations: () => import('./pages/evaluations.js'),
    evaluation: () => import('./pages/evaluation.js'),
    datasets: () => import('./pages/datasets.js'),
    login: () => import('./pages/login.js'),
};

const navigation = h('nav', { class: 'sections', 'aria-label': 'Console' });
const main = h('main', { id: 'main', tabindex: '-1' });
const help = h('button', { type: 'button', class: 'small quiet-button', onclick: showHelp, 'aria-label': 'Keyboard shortcuts', title: 'Keyboard shortcuts (?)' }, '?');

/** @type {AbortController | null} */
let leaving = null;
/** @type {Record<string, Shortcut>} */
let keys = {};
let shownAddress = '';

function start() {
    document.body.append(
        h('a', { class: 'skip', href: '#main' }, 'Skip to the content'),
        h('header', { class: 'top' }, h('a', { class: 'product', href: '/ui/jobs' }, 'Tunedeck'), navigation, help),
        main,
        h('div', { id: 'announcements', class: 'offscreen', role: 'status', 'aria-live': 'polite' }));
    document.addEventListener('click', follow);
    document.addEventListener('keydown', pressed);
    window.addEventListener('popstate', () => {
        // A fragment alone is the page's own affair.
        if (location.pathname + location.search !== shownAddress) void show(false);
    });
    window.addEventListener('token-wanted', () => {
        if (location.pathname !== '/ui/login') go(`/ui/login${writeQuery({ then: shownAddress })}`, { replace: true });
    });
    void show(true);
}

/**
 * Follow links of the console without loading it again.
 * @param {MouseEvent} event
 */
function follow(event) {
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    const plain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (!link || !plain || event.defaultPrevented || link.hasAttribute('download') || link.target) return;
    const to = new URL(link.href);
    if (to.origin !== location.origin || !to.pathname.startsWith('/ui/')) return;
    if (link.getAttribute('href')?.startsWith('#')) return;
    event.preventDefault();
    go(to.pathname + to.search + to.hash);
}

/**
 * @param {string} address
 * @param {{replace?: boolean}} [options]
 */
function go(address, options = {}) {
    if (options.replace) history.replaceState(null, '', address);
    else history.pushState(null, '', address);
    window.scrollTo(0, 0);
    void show(false);
}

/** @param {boolean} first */
async function show(first) {
    leaving?.abort();
    leaving = new AbortController();
    const { signal } = leaving;
    keys = {};
    shownAddress = location.pathname + location.search;
    document.querySelectorAll('dialog[open]').forEach((dialog) => /** @type {HTMLDialogElement} */ (dialog).close());
    const found = route(location.pathname);
    replace(navigation, SECTIONS.map(([name, words]) =>
        h('a', { href: `/ui/${name}`, 'aria-current': found?.section === name ? 'page' : null }, words)));
    // Until the page has its answer, which a hung service delays by half a minute.
    const root = h('div', { class: `page page-${found?.module ?? 'none'}` }, h('h1', { class: 'awaited', tabindex: '-1' }, 'Loading …'));
    replace(main, root);
    if (!found) {
        setTitle('Not found');
        replace(root, h('h1', { tabindex: '-1' }, 'There is no such page'), empty('The address may be cut short, or of another version.', h('p', null, h('a', { href: '/ui/jobs' }, 'All jobs'))));
        return;
    }
    try {
        const module = await /** @type {any} */ (MODULES[found.module])();
        if (signal.aborted) return;
        await module.show(pageOf(found.params, signal), root);
    } catch (error) {
        if (signal.aborted || isAbort(error)) return;
        replace(root, h('h1', { tabindex: '-1' }, error instanceof ApiError && error.status === 404 ? 'Not found' : 'This did not work'), problem(error),
            h('p', null, h('button', { type: 'button', onclick: () => void show(false) }, 'Try again')));
        if (!(error instanceof ApiError)) console.error(error);
    }
    if (!first && !signal.aborted && !main.contains(document.activeElement)) {
        /** @type {HTMLElement | null} */ (main.querySelector('h1'))?.focus({ preventScroll: true });
    }
}

/**
 * @param {Record<string, string>} params
 * @param {AbortSignal} signal
 * @returns {Page}
 */
function pageOf(params, signal) {
    /** @type {Page} */
    const page = {
        params,
        query: readQuery(location.search),
        signal,
        setQuery(query, { push = false, fragment } = {}) {
            if (signal.aborted) return;
            page.query = Object.fromEntries(Object.entries(query).filter(([, value]) => value !== ''));
            const address = page.addressOf(page.query) + (fragment ?? location.hash);
            history[push ? 'pushState' : 'replaceState'](null, '', address);
            shownAddress = location.pathname + location.search;
        },
        addressOf: (query) => location.pathname + writeQuery(query),
        every: (ms, task) => every(ms, task, signal),
        setTitle,
        setKeys: (more) => (keys = more),
        go,
    };
    return page;
}

/**
 * Run a task at once and then again and again, never twice at a time and not in a hidden tab, until the signal.
 * @param {number} ms
 * @param {() => Promise<unknown> | unknown} task
 * @param {AbortSignal} signal
 */
function every(ms, task, signal) {
    /** @type {number | undefined} */
    let timer;
    let running = false;
    async function run() {
        clearTimeout(timer);
        if (running || signal.aborted || document.hidden) return;
        running = true;
        try {
            await task();
        } catch (error) {
            if (!isAbort(error)) console.error(error);
        }
        running = false;
        if (!signal.aborted) timer = window.setTimeout(run, ms);
    }
    document.addEventListener('visibilitychange', () => void run(), { signal });
    signal.addEventListener('abort', () => clearTimeout(timer));
    void run();
}

/** @param {string} title */
function setTitle(title) {
    document.title = `${title} · Tunedeck`;
}

/** @param {KeyboardEvent} event */
function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const typing = /^(input|textarea|select)$/i.test(target.tagName) && !/^(checkbox|radio|range|button)$/.test(/** @type {any} */ (target).type ?? '');
    if (event.key === 'Escape' && typing && !target.closest('dialog')) {
        event.preventDefault(); // which would empty a search
        target.blur();
    }
    if (typing || keysAreOff() || document.querySelector('dialog[open]')) return;
    const shortcut = allKeys()[event.key];
    if (!shortcut) return;
    event.preventDefault();
    shortcut.run(event);
}

/** @returns {Record<string, Shortcut>} */
function allKeys() {
    return {
        '?': { words: 'This list', run: showHelp },
        '/': { words: 'Search or filter', run: () => /** @type {HTMLElement | null} */ (main.querySelector('[data-search]'))?.focus() },
        ...keys,
    };
}

function keysAreOff() {
    try {
        return localStorage.getItem(NO_KEYS) === '1';
    } catch {
        return false;
    }
}

function showHelp() {
    const toggle = h('input', {
        type: 'checkbox', checked: !keysAreOff(),
        onchange: () => {
            localStorage.setItem(NO_KEYS, toggle.checked ? '0' : '1');
            announce(toggle.checked ? 'Shortcuts are on' : 'Shortcuts are off');
        },
    });
    const dialog = h('dialog', { class: 'help', 'aria-labelledby': 'help-title', onclose: () => dialog.remove() },
        h('h2', { id: 'help-title' }, 'Keyboard shortcuts'),
        h('dl', { class: 'keys' }, Object.entries(allKeys()).map(([key, shortcut]) =>
            h('div', null, h('dt', null, h('kbd', null, key)), h('dd', null, shortcut.words)))),
        h('label', { class: 'check' }, toggle, ' Shortcuts are on'),
        h('div', { class: 'actions' }, h('button', { type: 'button', onclick: () => dialog.close() }, 'Close'), h('a', { href: '/ui/login' }, 'Who am I, sign out')));
    document.body.append(dialog);
    dialog.showModal();
}

start();
