/** Several jobs beside each other: their curves in one drawing, and of their configuration what differs. */

import { readNumbers } from '../lib/address.js';
import { ApiError, get } from '../lib/api.js';
import { h, replace } from '../lib/dom.js';
import { command, empty, heading, others, problem, section, state } from '../lib/elements.js';
import { figure } from '../lib/format.js';
import { Curves } from '../curves/curves.js';

const MOST = 8;

/**
 * @param {import('../main.js').Page} page
 * @param {HTMLElement} root
 */
export async function show(page, root) {
    page.setTitle('Compare jobs');
    const ids = readNumbers(page.query.jobs, MOST);
    if (ids.length === 0) {
        replace(root, heading('Compare jobs'), empty('No jobs were named.', h('p', null, 'Choose two or more in the ', h('a', { href: '/ui/jobs' }, 'list of jobs'), ', or name them in the address:'), command(`${location.origin}/ui/compare?jobs=5,6,7`)));
        return;
    }
    const answers = await Promise.all(ids.map((id) => get(`/jobs/${id}`, { signal: page.signal }).catch((error) => {
        if (error instanceof ApiError && error.status === 404) return error;
        throw error;
    })));
    const jobs = answers.filter((answer) => !(answer instanceof Error));
    const curves = new Curves(page, jobs, {
        wide: true,
        onPick: () => {},
        empty: () => h('p', { class: 'quiet' }, 'None of these jobs has metrics.'),
    });
    const everything = h('input', { type: 'checkbox', onchange: () => replace(differences, table(jobs, everything.checked)) });
    const differences = h('div');
    replace(root, heading(`Compare ${jobs.length} jobs`), answers.filter((answer) => answer instanceof Error).map(problem),
        h('div', { class: 'curve-legend' }, jobs.map((job, i) => h('span', null, h('span', { class: `swatch s${i % 8}` }), h('a', { href: `/ui/jobs/${job.ID}` }, others(job.name ?? `Job ${job.ID}`)), ' ', state(job.status)))),
        section('Curves', curves.element),
        section('Configuration', h('label', { class: 'check' }, everything, 'Show what is the same, too'), differences));
    replace(differences, table(jobs, false));
    curves.start();
}

/**
 * @param {any[]} jobs
 * @param {boolean} everything
 */
function table(jobs, everything) {
    const flat = jobs.map((job) => new Map(leaves(job.configuration)));
    const names = [...new Set(flat.flatMap((one) => [...one.keys()]))].sort();
    const differs = (/** @type {string} */ name) => new Set(flat.map((one) => JSON.stringify(one.get(name)))).size > 1;
    const shown = names.filter((name) => everything || differs(name)).slice(0, 500);
    if (shown.length === 0) return h('p', { class: 'quiet' }, names.length ? 'They have the same configuration.' : 'None of them has a configuration.');
    return h('div', { class: 'table-scroll configuration', tabindex: '0', role: 'region', 'aria-label': 'Configuration' }, h('table', { class: 'fit' },
        h('caption', { class: 'offscreen' }, 'Configuration'),
        h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'Name'), jobs.map((job) => h('th', { scope: 'col' }, others(job.name ?? `Job ${job.ID}`))))),
        h('tbody', null, shown.map((name) => h('tr', null, h('th', { scope: 'row' }, others(name)), flat.map((one) => h('td', { class: differs(name) ? 'differs' : null }, value(one, name))))))));
}

/**
 * @param {Map<string, unknown>} one
 * @param {string} name
 */
function value(one, name) {
    if (!one.has(name)) return h('span', { class: 'quiet' }, 'not given');
    const given = one.get(name);
    return typeof given === 'number' ? figure(given) : others(typeof given === 'string' ? given : JSON.stringify(given));
}

/**
 * The values of an object by their paths: `lora.r`.
 * @param {Record<string, any>} values
 * @param {string} [prefix]
 * @param {number} [depth]
 * @returns {[string, unknown][]}
 */
function leaves(values, prefix = '', depth = 0) {
    return Object.entries(values).flatMap(([name, one]) =>
        one && typeof one === 'object' && !Array.isArray(one) && depth < 8 && Object.keys(one).length ? leaves(one, `${prefix}${name}.`, depth + 1) : [/** @type {[string, unknown]} */ ([prefix + name, one])]);
}
