/** What every page is made of: others' text, states, times, commands to copy, empty pages, errors, dialogs. */

import { ApiError, isAbort } from './api.js';
import { h, replace } from './dom.js';
import { ago, moment, reveal } from './format.js';

const SHOWN_CHARACTERS = 2_000;

/** @typedef {import('./dom.js').Child} Child */

/** Symbol and words of a state: it is never told by its colour alone. */
const STATES = /** @type {Record<string, [string, string]>} */ ({
    pending: ['○', 'waiting'],
    running: ['◐', 'active'],
    uploading: ['◐', 'active'],
    completed: ['●', 'good'],
    ready: ['●', 'good'],
    failed: ['✕', 'bad'],
    error: ['✕', 'bad'],
    cancelled: ['⊘', 'quiet'],
});

/**
 * Text that others wrote: alone in its direction, its invisible characters shown, and cut where nobody would read on.
 * @param {string | null | undefined} text
 * @param {string} [className]
 * @returns {HTMLElement}
 */
export function others(text, className) {
    const whole = text ?? '';
    const shown = whole.length > SHOWN_CHARACTERS ? `${whole.slice(0, SHOWN_CHARACTERS)}…` : whole;
    return h('bdi', { class: `others ${className ?? ''}`.trim() }, ...marked(shown));
}

/**
 * The pieces of a text, with marks for what would not show.
 * @param {string} text
 * @returns {Child[]}
 */
export function marked(text) {
    return reveal(text).map((piece) => (piece.mark === null ? piece.text : h('span', { class: 'mark' }, piece.mark)));
}

/**
 * @param {string} status
 * @returns {HTMLElement}
 */
export function state(status) {
    const [symbol, tone] = STATES[status] ?? ['·', 'quiet'];
    return h('span', { class: `state ${tone}` }, h('span', { 'aria-hidden': 'true' }, symbol), ` ${status}`);
}

/**
 * How long ago, with the moment itself as its title.
 * @param {string | null | undefined} at
 * @param {number} [now]
 * @returns {HTMLElement}
 */
export function time(at, now = Date.now()) {
    return at ? h('time', { datetime: at, title: moment(at) }, ago(at, now)) : h('span', { class: 'quiet' }, '–');
}

/**
 * A command that one can copy.
 * @param {string} command
 * @param {string} [label]
 * @returns {HTMLElement}
 */
export function command(command, label) {
    return h('div', { class: 'command' }, h('pre', { tabindex: '0', 'aria-label': label ?? 'command' }, h('code', null, command)), copyButton(command));
}

/**
 * A button that copies a text, or what a function gives by then.
 * @param {string | (() => string | Promise<string>)} text
 * @param {string} [label]
 * @returns {HTMLButtonElement}
 */
export function copyButton(text, label = 'Copy') {
    const button = h('button', { type: 'button', class: 'small', onclick: copy }, label);
    async function copy() {
        const copied = await copyText(typeof text === 'function' ? await text() : text);
        button.textContent = copied ? 'Copied' : 'Not copied';
        announce(copied ? 'Copied' : 'The browser does not allow to copy');
        setTimeout(() => (button.textContent = label), 1500);
    }
    return button;
}

/**
 * Put text on the clipboard; whether that was allowed.
 * @param {string} text
 * @returns {Promise<boolean>}
 */
export async function copyText(text) {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        // Plain http from another machine has no clipboard but this one.
        const field = h('textarea', { class: 'offscreen', 'aria-hidden': 'true', tabindex: '-1' });
        (document.querySelector('dialog[open]') ?? document.body).append(field);
        field.value = text;
        field.select();
        const copied = document.execCommand('copy');
        field.remove();
        return copied;
    }
}

/**
 * An error as it is shown: the API's own message, and the id by which its operators find the request.
 * @param {unknown} error
 * @returns {HTMLElement}
 */
export function problem(error) {
    const message = error instanceof Error ? error.message : String(error);
    const id = error instanceof ApiError ? error.requestId : null;
    return h('div', { class: 'problem', role: 'alert' },
        h('span', { 'aria-hidden': 'true' }, '✕ '), others(message),
        id === null ? null : h('span', { class: 'quiet' }, ' Request ', h('code', null, id)));
}

/**
 * What a page shows that has nothing to show: why, and what to do next.
 * @param {string} title
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export function empty(title, ...children) {
    return h('div', { class: 'empty' }, h('p', { class: 'empty-title' }, title), ...children);
}

/**
 * A definition list of pairs; pairs without a value are left out.
 * @param {[string, Child][]} pairs
 * @returns {HTMLElement}
 */
export function facts(pairs) {
    const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== '');
    return h('dl', { class: 'facts' }, shown.map(([name, value]) => h('div', null, h('dt', null, name), h('dd', null, value))));
}

/**
 * A section with its heading.
 * @param {string} title
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export function section(title, ...children) {
    return h('section', { class: 'block' }, h('h2', null, title), ...children);
}

/**
 * The heading of a page, with what can be done beside it.
 * @param {Child} title
 * @param {...Child} actions
 * @returns {HTMLElement}
 */
export function heading(title, ...actions) {
    return h('div', { class: 'heading' }, h('h1', { tabindex: '-1' }, title), h('div', { class: 'actions' }, ...actions));
}

/**
 * A table of columns and rows. Where the page is narrow it scrolls by itself, or its rows become cards.
 * @param {string} caption for screen readers
 * @param {(string | {title: string, class?: string})[]} columns
 * @param {Child[][]} rows
 * @param {string} [className] `cards` for rows that may become cards
 * @returns {HTMLElement}
 */
export function table(caption, columns, rows, className) {
    const heads = columns.map((column) => (typeof column === 'string' ? { title: column, class: undefined } : column));
    return h('div', { class: 'table-scroll', tabindex: '0', role: 'region', 'aria-label': caption },
        h('table', { class: className },
            h('caption', { class: 'offscreen' }, caption),
            h('thead', null, h('tr', null, heads.map((head) => h('th', { scope: 'col', class: head.class }, head.title)))),
            h('tbody', null, rows.map((cells) => h('tr', null, cells.map((cell, i) => h('td', { class: heads[i]?.class, 'data-title': heads[i]?.title }, cell)))))));
}

/**
 * A field with its label.
 * @param {string} label
 * @param {HTMLElement} input
 * @param {string} [hint]
 * @returns {HTMLElement}
 */
export function field(label, input, hint) {
    return h('label', { class: 'field' }, h('span', { class: 'field-name' }, label), input,
        hint ? h('span', { class: 'hint' }, hint) : null);
}

/**
 * A choice of values.
 * @param {[string, string][]} options value and words
 * @param {string} selected
 * @param {Record<string, any>} [attributes]
 * @returns {HTMLSelectElement}
 */
export function choice(options, selected, attributes) {
    return h('select', attributes ?? null,
        options.map(([value, words]) => h('option', { value, selected: value === selected }, words)));
}

/**
 * Ask in a dialog; `onSubmit` may fail, its error is shown and the dialog stays.
 * @param {{title: string, body: Child[], action: string, danger?: boolean, onSubmit: () => Promise<void> | void}} options
 * @returns {HTMLDialogElement}
 */
export function ask({ title, body, action, danger, onSubmit }) {
    const problems = h('div');
    const submit = h('button', { type: 'submit', class: danger ? 'danger' : 'primary' }, action);
    const form = h('form', { onsubmit: submitted },
        h('h2', { id: 'dialog-title' }, title), ...body, problems,
        h('div', { class: 'actions' }, submit, h('button', { type: 'button', onclick: () => dialog.close() }, 'Close')));
    const dialog = h('dialog', { 'aria-labelledby': 'dialog-title', onclose: () => dialog.remove() }, form);
    /** @param {Event} event */
    async function submitted(event) {
        event.preventDefault();
        submit.disabled = true;
        replace(problems);
        try {
            await onSubmit();
            dialog.close();
        } catch (error) {
            if (!isAbort(error)) replace(problems, problem(error));
        } finally {
            submit.disabled = false;
        }
    }
    document.body.append(dialog);
    dialog.showModal();
    return dialog;
}

/**
 * Have screen readers say something.
 * @param {string} words
 */
export function announce(words) {
    const region = document.getElementById('announcements');
    if (region) region.textContent = words;
}
