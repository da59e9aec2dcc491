/** The jobs: what runs, what ran, how its loss goes; a form for a new one. */

import { send } from '../lib/api.js';
import { h, replace, svg } from '../lib/dom.js';
import { ask, command, empty, field, heading, others, state, time } from '../lib/elements.js';
import { duration, elapsed, figure, plural } from '../lib/format.js';
import { showList } from '../lib/list.js';

const STATUSES = ['pending', 'running', 'completed', 'failed', 'cancelled'];

/**
 * @param {import('../main.js').Page} page
 * @param {HTMLElement} root
 */
export function show(page, root) {
    page.setTitle('Jobs');
    /** @type {Set<number>} */
    const chosen = new Set();
    const compare = h('a', { class: 'button', hidden: true }, 'Compare');
    const list = h('div', { class: 'block' });
    replace(root,
        heading('Jobs', compare, h('a', { class: 'button', href: '/ui/jobs/latest' }, 'Latest job'), h('button', { type: 'button', class: 'primary', onclick: newJob }, 'New job')),
        list);
    showList(page, list, {
        path: '/jobs',
        name: 'jobs',
        fixed: { metrics: 'loss' },
        filters: [
            { name: 'q', label: 'Name' },
            { name: 'status', label: 'Status', options: [['', 'any'], ...STATUSES.map((status) => /** @type {[string, string]} */ ([status, status]))] },
            { name: 'dataset', label: 'Dataset', parameter: 'dataset_id', inputmode: 'numeric' },
        ],
        columns: [
            { title: '', purpose: 'Compare', class: 'chosen', cell: choose },
            { title: 'Job', class: 'name', cell: (job) => h('a', { href: `/ui/jobs/${job.ID}` }, job.name ? others(job.name) : `Job ${job.ID}`) },
            { title: 'ID', class: 'number', cell: (job) => job.ID },
            { title: 'Status', cell: status },
            { title: 'Dataset', class: 'number', cell: (job) => job.dataset_id ?? h('span', { class: 'quiet' }, '–') },
            { title: 'Kernel', cell: (job) => (job.kernel ? others(job.kernel) : h('span', { class: 'quiet' }, '–')) },
            { title: 'Created', cell: (job) => time(job.created_at) },
            { title: 'Took', class: 'number', cell: (job) => duration(elapsed(job.started_at, job.completed_at, Date.now())) },
            { title: 'Loss', class: 'number', cell: loss },
        ],
        empty: () => empty('No jobs yet.',
            h('p', null, 'A job is one training run. Start one here, or report any training that you have:'),
            h('div', { class: 'actions' }, h('button', { type: 'button', class: 'primary', onclick: newJob }, 'New job')),
            h('p', null, 'From a shell; the example kernel has dataset 1:'),
            command(`curl -X POST ${location.origin}/api/v1/jobs -H "Content-Type: application/json" -d '{"dataset_id": 1, "configuration": {"epochs": 3}}'`)),
    });

    /** @param {any} job */
    function choose(job) {
        return h('input', {
            type: 'checkbox', checked: chosen.has(job.ID), 'aria-label': `Compare job ${job.ID}`,
            onchange: (/** @type {any} */ event) => {
                if (event.target.checked) chosen.add(job.ID);
                else chosen.delete(job.ID);
                compare.hidden = chosen.size < 2;
                compare.textContent = `Compare ${plural(chosen.size, 'job')}`;
                compare.setAttribute('href', `/ui/compare?jobs=${[...chosen].sort((a, b) => a - b).join(',')}`);
            },
        });
    }

    function newJob() {
        const name = h('input', { maxlength: 255, autocomplete: 'off' });
        const dataset = h('input', { inputmode: 'numeric', value: '1', required: true, pattern: '[1-9][0-9]*', title: 'A whole number from 1' });
        const configuration = h('textarea', { rows: 6, spellcheck: 'false' }, '{\n  "epochs": 3\n}');
        ask({
            title: 'New job',
            action: 'Create job',
            body: [
                field('Name', name, 'Optional: what you will look for later.'),
                field('Dataset', dataset, 'The number of the training data that a kernel has. The example kernel has dataset 1.'),
                field('Configuration', configuration, 'JSON, handed to the kernel as it is.'),
            ],
            onSubmit: async () => {
                const body = { dataset_id: Number(dataset.value), name: name.value.trim() || null, configuration: parseObject(configuration.value) };
                const job = await send('POST', '/jobs', body, page.signal);
                page.go(`/ui/jobs/${job.ID}`);
            },
        });
    }
}

/** @param {any} job */
function status(job) {
    const part = job.status === 'running' && typeof job.progress === 'number' ? ` ${Math.round(job.progress * 100)} %` : null;
    return [state(job.status), part && h('span', { class: 'quiet' }, part)];
}

/** @param {any} job */
function loss(job) {
    const curve = job.metrics?.loss;
    return curve ? [figure(curve.last), sparkline(curve.points)] : h('span', { class: 'quiet' }, '–');
}

/**
 * A curve without axes; a last value that is no number is a red dot.
 * @param {[number, any][]} points
 */
function sparkline(points) {
    const finite = points.filter(([, value]) => typeof value === 'number');
    const values = finite.map(([, value]) => value);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const [first, last] = [points[0]?.[0] ?? 0, points.at(-1)?.[0] ?? 1];
    const x = (/** @type {number} */ step) => (last === first ? 40 : ((step - first) / (last - first)) * 78 + 3).toFixed(1);
    const y = (/** @type {number} */ value) => (high === low ? 10 : 18 - ((value - low) / (high - low)) * 16).toFixed(1);
    const path = finite.map(([step, value], i) => `${i ? 'L' : 'M'}${x(step)} ${y(value)}`).join('');
    const broken = points.length > 0 && finite.at(-1) !== points.at(-1);
    return svg('svg', { class: 'sparkline', viewBox: '0 0 84 20', 'aria-hidden': 'true' },
        finite.length > 1 ? svg('path', { d: path }) : null,
        broken ? svg('circle', { cx: x(last), cy: 10, r: 3 }) : null);
}

/**
 * @param {string} text
 * @returns {Record<string, unknown>}
 */
function parseObject(text) {
    let value;
    try {
        value = JSON.parse(text.trim() || '{}');
    } catch (error) {
        throw new Error(`Configuration is no JSON: ${/** @type {Error} */ (error).message}`);
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('Configuration must be a JSON object.');
    return value;
}
