/** The evaluations; of one test set also how all models that were judged by it rank. */

import { ApiError, get, isAbort } from '../lib/api.js';
import { h, replace } from '../lib/dom.js';
import { empty, facts, heading, others, problem, section, state, table, time } from '../lib/elements.js';
import { bytes, count, duration, elapsed, percent, spoken, testName } from '../lib/format.js';
import { showList } from '../lib/list.js';

const SHOWN_CLASSES = 12;

/**
 * @param {import('../main.js').Page} page
 * @param {HTMLElement} root
 */
export function show(page, root) {
    const { set } = page.query;
    const name = set?.replace(/^datasets\//, '');
    page.setTitle(name ? `Test set ${name}` : 'Evaluations');
    const about = h('div');
    const ranking = h('div');
    const list = h('div', { class: 'block' });
    replace(root, heading(name ? ['Test set ', others(name)] : 'Evaluations'), about, ranking, list);
    if (name) {
        void showSet(page, about, name);
        void showRanking(page, ranking, name);
    }
    showList(page, list, {
        path: '/evaluations',
        name: 'evaluations',
        fixed: set ? { test_set_path: set } : {},
        filters: [
            { name: 'model', label: 'Model', parameter: 'model_id', inputmode: 'numeric' },
            { name: 'status', label: 'Status', options: [['', 'any'], ['pending', 'pending'], ['running', 'running'], ['completed', 'completed'], ['failed', 'failed']] },
        ],
        columns: [
            { title: 'Evaluation', class: 'name', cell: (one) => h('a', { href: `/ui/evaluations/${one.ID}` }, `Evaluation ${one.ID}`) },
            { title: 'Status', cell: (one) => [state(one.status), one.error ? h('span', { class: 'quiet detail' }, ' ', others(one.error.slice(0, 80))) : null] },
            { title: 'Model', cell: (one) => h('a', { href: `/ui/models/${one.model_id}` }, others(one.fine_tuned_name)) },
            { title: 'Against', cell: (one) => (one.base_model_name === null ? h('span', { class: 'quiet' }, 'no base') : others(one.base_model_name)) },
            { title: 'Test set', cell: (one) => others(one.test_set_path.replace(/^datasets\//, '')) },
            { title: 'Created', cell: (one) => time(one.created_at) },
            { title: 'Took', class: 'number', cell: (one) => duration(elapsed(one.started_at, one.completed_at, Date.now())) },
        ],
        empty: () => empty('No evaluations yet.',
            h('p', null, 'An evaluation asks a fine-tuned model and its base the same questions, and says whether the difference is real. It needs a ',
                h('a', { href: '/ui/datasets' }, 'test set'), ' and a ', h('a', { href: '/ui/models' }, 'model'), ' that is ready: “Evaluate” is on the model’s page.')),
    });
}

/**
 * @param {import('../main.js').Page} page
 * @param {HTMLElement} root
 * @param {string} name
 */
async function showSet(page, root, name) {
    try {
        const set = await get(`/datasets/${encodeURIComponent(name)}`, { signal: page.signal });
        const classes = Object.entries(set.classes ?? {}).slice(0, SHOWN_CLASSES);
        replace(root, facts([
            ['Rows', count(set.rows)],
            ['Duplicates', set.duplicates ? count(set.duplicates) : null],
            ['Labels', set.classes ? [classes.map(([label, rows], i) => [i ? ', ' : '', others(label), ` ${count(/** @type {number} */ (rows))}`]), Object.keys(set.classes).length > SHOWN_CLASSES ? ' …' : ''] : null],
            ['Size', bytes(set.size)],
            ['Uploaded', time(set.created_at)],
        ]));
    } catch (error) {
        // A set that was put into the bucket by other means has no record.
        if (!isAbort(error) && !(error instanceof ApiError && error.status === 404)) replace(root, problem(error));
    }
}

/**
 * @param {import('../main.js').Page} page
 * @param {HTMLElement} root
 * @param {string} name
 */
async function showRanking(page, root, name) {
    try {
        const ranking = await get(`/datasets/${encodeURIComponent(name)}/ranking`, { signal: page.signal });
        const different = new Map(ranking.pairs.map((/** @type {any} */ pair) => [`${pair.a} ${pair.b}`, pair.different]));
        const leader = ranking.data[0];
        if (!leader) return;
        const rows = ranking.data.map((/** @type {any} */ row, /** @type {number} */ i) => {
            const told = different.get(`${leader.model_id} ${row.model_id}`) ?? different.get(`${row.model_id} ${leader.model_id}`);
            return [i + 1, h('a', { href: `/ui/models/${row.model_id}` }, others(row.name)), percent(row.score),
                row.interval ? `${percent(row.interval[0])} to ${percent(row.interval[1])}` : '–', count(row.n),
                i === 0 ? null : told === undefined ? 'not compared' : told ? 'worse than the first' : 'not told from the first',
                h('a', { href: `/ui/evaluations/${row.evaluation_id}` }, row.evaluation_id)];
        });
        replace(root, section('Ranking', h('p', { class: 'quiet' }, `By ${spoken(ranking.scoring?.rule ?? 'score')}, each model’s newest evaluation on the set as it is. Differences by ${testName(ranking.test)} on the rows that both answered, corrected for their number (Holm).`),
            table('Ranking', ['Rank', { title: 'Model', class: 'name' }, { title: 'Score', class: 'number' }, '95 % interval', { title: 'Rows', class: 'number' }, 'Difference', 'Evaluation'], rows, 'cards')));
    } catch (error) {
        if (!isAbort(error) && !(error instanceof ApiError && error.status === 404)) replace(root, problem(error));
    }
}
