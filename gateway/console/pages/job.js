/** One job: its state, its log beside its curves, its configuration, its model. */

import { ApiError, get, isAbort, send } from '../lib/api.js';
import { h, replace } from '../lib/dom.js';
import { ask, command, empty, facts, heading, others, problem, section, state, table, time } from '../lib/elements.js';
import { duration, elapsed, plural } from '../lib/format.js';
import { Curves } from '../curves/curves.js';
import { JobLog } from '../log/log.js';

const POLL_MS = 5_000;
const OVER = ['completed', 'failed', 'cancelled'];

/**
 * @param {import('../main.js').Page} page
 * @param {HTMLElement} root
 */
export async function show(page, root) {
    if (page.params.id === 'latest') return showLatest(page, root);
    let job = await get(`/jobs/${page.params.id}`, { signal: page.signal });
    page.setTitle(job.name ?? `Job ${job.ID}`);
    root.classList.add('filled');

    let shownFacts = '';
    let shownStatus = '';
    const actions = h('div', { class: 'actions' });
    const details = h('div');
    const head = h('div', { class: 'block' },
        heading(job.name ? [others(job.name), h('span', { class: 'quiet' }, `  #${job.ID}`)] : `Job ${job.ID}`, actions), details);
    const problems = h('div');
    const model = h('span', { class: 'quiet' }, '–');
    const log = new JobLog(page, job, { onEnded: () => void refresh(), onLines: () => {}, empty: () => whatToType(job) });
    const curves = new Curves(page, [job], {
        onPick: (line, at) => (line === null ? void log.goToTime(at) : log.goTo(line)),
        empty: () => h('p', { class: 'quiet' }, OVER.includes(job.status)
            ? 'No metrics: none were reported, and the log says none.'
            : 'Curves appear here as soon as metrics are reported, or the log says them.'),
    });
    const side = h('div', { class: 'job-side' }, section('Curves', curves.element), section('Configuration', configuration(job.configuration)));
    replace(root, head, problems, h('div', { class: 'job-body' }, log.element, side));
    showHead();
    void log.start();
    curves.start();
    let polls = 0;
    if (OVER.includes(job.status)) void findModel();
    page.every(POLL_MS, poll);

    async function poll() {
        polls += 1;
        if (polls > 1) await refresh();
        // A kernel makes its model towards the end.
        if (polls % 6 === 2 && !OVER.includes(job.status)) await findModel();
    }

    async function refresh() {
        if (OVER.includes(job.status)) {
            showHead();
            return;
        }
        try {
            const before = job.status;
            job = await get(`/jobs/${job.ID}`, { signal: page.signal });
            replace(problems);
            curves.setJob(job);
            showHead();
            if (job.status !== before && OVER.includes(job.status)) void curves.load();
            if (OVER.includes(job.status)) void findModel();
        } catch (error) {
            if (!isAbort(error)) replace(problems, problem(error));
        }
    }

    function showHead() {
        const now = Date.now();
        const took = elapsed(job.started_at, job.completed_at, now);
        const text = JSON.stringify([job, Math.floor(now / (OVER.includes(job.status) ? 60_000 : 1_000))]);
        if (text === shownFacts || details.contains(document.activeElement)) return;
        shownFacts = text;
        if (shownStatus !== job.status) {
            shownStatus = job.status;
            replace(actions, OVER.includes(job.status) ? null : h('button', { type: 'button', class: 'danger', onclick: cancel }, 'Cancel job'));
        }
        replace(details,
            facts([
                ['Status', state(job.status)],
                ['Reason', job.error ? others(job.error, 'bad') : null],
                ['Progress', progress(job, took)],
                ['Dataset', job.dataset_id],
                ['Kernel', job.kernel ? others(job.kernel) : null],
                ['Last heard of', OVER.includes(job.status) || !job.last_seen_at ? null : lastSeen(job, now)],
                ['Created', time(job.created_at, now)],
                ['Took', took === null ? null : duration(took)],
                ['Model', model],
            ]));
    }

    async function findModel() {
        try {
            const found = await get('/models', { query: { job_id: job.ID, limit: 3 }, signal: page.signal });
            replace(model, found.data.length
                ? found.data.map((/** @type {any} */ one, /** @type {number} */ i) => [i ? ', ' : '', h('a', { href: `/ui/models/${one.ID}` }, others(one.name))])
                : '–', found.total > 3 ? ` and ${found.total - 3} more` : '');
        } catch (error) {
            if (!isAbort(error)) replace(model, 'not known: ', error instanceof ApiError ? error.message : '');
        }
    }

    function cancel() {
        ask({
            title: 'Cancel this job?',
            action: 'Cancel job',
            danger: true,
            body: [h('p', null, 'Its kernel is told to stop. A cancelled job cannot go on; its log stays.')],
            onSubmit: async () => {
                job = await send('PUT', `/jobs/${job.ID}`, { status: 'cancelled' }, page.signal);
                curves.setJob(job);
                /** @type {HTMLElement | null} */ (document.activeElement)?.blur();
                showHead();
            },
        });
    }
    return undefined;
}

/**
 * @param {import('../main.js').Page} page
 * @param {HTMLElement} root
 */
async function showLatest(page, root) {
    const jobs = await get('/jobs', { query: { limit: 1 }, signal: page.signal });
    if (jobs.data.length) page.go(`/ui/jobs/${jobs.data[0].ID}`, { replace: true });
    else replace(root, heading('No jobs yet'), empty('The latest job shows here once there is one.', h('p', null, h('a', { href: '/ui/jobs' }, 'Jobs'))));
}

/**
 * @param {any} job
 * @param {number | null} took
 */
function progress(job, took) {
    if (typeof job.progress !== 'number' || job.status !== 'running') return null;
    const left = took !== null && job.progress > 0.01 ? (took / job.progress) * (1 - job.progress) : null;
    return [h('progress', { value: job.progress, max: 1, 'aria-label': 'Progress' }), ` ${Math.round(job.progress * 100)} %`,
        left === null ? null : h('span', { class: 'quiet' }, `, about ${duration(left)} left`)];
}

/**
 * @param {any} job
 * @param {number} now
 */
function lastSeen(job, now) {
    const silent = (now - Date.parse(job.last_seen_at)) / 1000;
    const late = job.heartbeat_s && silent > 1.5 * job.heartbeat_s;
    return [time(job.last_seen_at, now), late ? h('span', { class: 'warn' }, ` ⚠ it promised to be heard of every ${duration(job.heartbeat_s)}`) : null];
}

/** @param {Record<string, unknown>} values */
function configuration(values) {
    const rows = Object.entries(values);
    if (rows.length === 0) return h('p', { class: 'quiet' }, 'None was given.');
    const shown = rows.slice(0, 500).map(([name, value]) => [others(name), others(typeof value === 'string' ? value : JSON.stringify(value))]);
    return h('div', { class: 'configuration' }, table('Configuration', ['Name', 'Value'], shown),
        rows.length > shown.length ? h('p', { class: 'quiet' }, `and ${plural(rows.length - shown.length, 'more value')}`) : null);
}

/** @param {any} job */
function whatToType(job) {
    const { origin } = location;
    if (OVER.includes(job.status)) return empty('This job wrote no log.');
    return h('div', { class: 'empty' },
        h('p', { class: 'empty-title' }, 'No lines yet.'),
        job.status === 'pending' && job.dataset_id
            ? h('p', null, `The job waits for a kernel that has dataset ${job.dataset_id}. Or send lines from any training of yours:`)
            : h('p', null, 'Send lines from any training of yours:'),
        h('h3', null, 'A program, as it is'),
        command(`set -o pipefail; python -u train.py 2>&1 | tunedeck-log --job ${job.ID} --url ${origin}`),
        h('h3', null, 'Python'),
        command(`import logging\nfrom tunedeck_client import JobLogHandler\n\nlogging.getLogger().addHandler(JobLogHandler(${job.ID}, url="${origin}"))`),
        h('h3', null, 'Anything that speaks HTTP'),
        command(`curl -X POST ${origin}/api/v1/jobs/${job.ID}/logs -H "Content-Type: application/json" -d '{"message": "Hello"}'`));
}
