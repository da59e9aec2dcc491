/** The evaluations; of one test set also how all models that were judged by it rank. */

import { ApiError, get, isAbort } from '../lib/api.js';
import { h, replace } from '../lib/dom.js';
import { empty, heading, others, problem, section, state, table, time } from '../lib/elements.js';
import { count, duration, elapsed, percent } from '../lib/format.js';
import { showList } from '../lib/list.js';

/**
 * @param {import('../main.js').Page} page
 * @param {HTMLElement} root
 */
export function show(page, root) {
    page.setTitle('Evaluations');
    const ranking = h('div');
    const list = h('div', { class: 'block' });
    replace(root, heading('Evaluations'), ranking, list);
    const { set } = page.query;
    if (set) void showRanking(page, ranking, set);
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
            { title: 'Status', cell: (one) => [state(one.status), one.error ? h('span', { class: 'quiet' }, ' ', others(one.error.slice(0, 80))) : null] },
            { title: 'Model', cell: (one) => h('a', { href: `/ui/models/${one.model_id}` }, others(one.fine_tuned_name)) },
            { title: 'Against', cell: (one) => others(one.base_model_name) },
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
 * @param {string} set
 */
async function showRanking(page, root, set) {
    const name = set.replace(/^datasets\//, '');
    try {
        const ranking = await get(`/datasets/${encodeURIComponent(name)}/ranking`, { signal: page.signal });
        const different = new Map(ranking.pairs.map((/** @type {any} */ pair) => [`${pair.a} ${pair.b}`, pair.different]));
        const leader = ranking.data[0];
        const rows = ranking.data.map((/** @type {any} */ row, /** @type {number} */ i) => {
            const told = different.get(`${leader.model_id} ${row.model_id}`) ?? different.get(`${row.model_id} ${leader.model_id}`);
            return [i + 1, h('a', { href: `/ui/models/${row.model_id}` }, others(row.name)), percent(row.score),
                row.interval ? `${percent(row.interval[0])} to ${percent(row.interval[1])}` : '–', count(row.n),
                i === 0 ? '' : told ? 'worse than the first' : 'not told from the first',
                h('a', { href: `/ui/evaluations/${row.evaluation_id}` }, row.evaluation_id)];
        });
        replace(root, section('', h('h2', null, 'Ranking by ', others(name)),
            table('Ranking', ['Rank', 'Model', { title: 'Score', class: 'number' }, '95 % interval', { title: 'Rows', class: 'number' }, 'Difference', 'Evaluation'], rows)));
    } catch (error) {
        if (!isAbort(error) && !(error instanceof ApiError && error.status === 404)) replace(root, problem(error));
    }
}
