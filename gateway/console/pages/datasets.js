/** The test sets: what evaluations ask; uploaded by dropping a file. */

import { isAbort, upload } from '../lib/api.js';
import { h, replace } from '../lib/dom.js';
import { announce, command, empty, heading, others, problem, time } from '../lib/elements.js';
import { bytes, count, plural } from '../lib/format.js';
import { showList } from '../lib/list.js';
import { askForEvaluation } from '../evaluation/form.js';

/**
 * @param {import('../main.js').Page} page
 * @param {HTMLElement} root
 */
export function show(page, root) {
    page.setTitle('Test sets');
    const problems = h('div');
    const list = h('div', { class: 'block' });
    const progress = h('div', { role: 'status' });
    const input = h('input', { type: 'file', class: 'offscreen', accept: '.json,.jsonl,.ndjson,.csv,.tsv', tabindex: '-1', 'aria-label': 'A test set’s file', onchange: () => { void send(input.files); input.value = ''; } });
    const drop = h('div', {
        class: 'drop',
        ondragover: (/** @type {DragEvent} */ event) => { event.preventDefault(); drop.classList.add('over'); },
        ondragleave: () => drop.classList.remove('over'),
        ondrop: (/** @type {DragEvent} */ event) => { event.preventDefault(); drop.classList.remove('over'); void send(event.dataTransfer?.files ?? null); },
    }, h('button', { type: 'button', class: 'primary', onclick: () => input.click() }, 'Upload a test set'), input,
        h('span', { class: 'quiet' }, 'or drop a file here: CSV, TSV, a JSON array, or JSON Lines, of ', h('code', null, '{"input": …, "expected": …}')), progress);
    // A file that misses its place would replace the page.
    for (const name of ['dragover', 'drop']) document.addEventListener(name, (event) => event.preventDefault(), { signal: page.signal });
    replace(root, heading('Test sets'), drop, problems, list);
    const shown = showList(page, list, {
        path: '/datasets',
        name: 'test sets',
        key: (set) => set.name,
        columns: [
            { title: 'Test set', class: 'name', cell: (set) => h('a', { href: `/ui/evaluations?set=${encodeURIComponent(set.path)}` }, others(set.name)) },
            { title: 'Rows', class: 'number', cell: (set) => count(set.rows) },
            { title: 'Labels', class: 'number', cell: (set) => count(set.label_count) },
            { title: 'Size', class: 'number', cell: (set) => bytes(set.size) },
            { title: 'Uploaded', cell: (set) => time(set.created_at) },
            { title: '', purpose: 'Actions', cell: (set) => h('button', { type: 'button', class: 'small', onclick: () => void evaluate(set) }, 'Evaluate with it') },
        ],
        empty: () => empty('No test sets yet.', h('p', null, 'A test set is a file of inputs with the answers that are expected. From a shell:'),
            command(`printf '[{"input": "I love this product!", "expected": "positive"}]' | curl -T - ${location.origin}/api/v1/datasets/my_test.json`)),
    });
    /** @param {FileList | null} files */
    async function send(files) {
        for (const file of files ?? []) {
            const bar = h('progress', { value: 0, max: 1, 'aria-label': 'Upload' });
            const words = h('span');
            replace(progress, bar, ' ', words);
            replace(problems);
            try {
                const set = await upload(`/datasets/${encodeURIComponent(file.name)}`, file, (sent, total) => {
                    bar.value = total ? sent / total : 0;
                    replace(words, sent < total ? `${bytes(sent)} of ${bytes(total)}` : 'checking …');
                }, page.signal);
                replace(progress, h('span', null, others(set.name), `: ${plural(set.rows, 'row')}`));
                announce(`Uploaded, ${plural(set.rows, 'row')}`);
            } catch (error) {
                replace(progress);
                if (isAbort(error)) return;
                replace(problems, problem(error));
            }
            await shown.reload();
        }
    }

    /** @param {any} set */
    async function evaluate(set) {
        try {
            await askForEvaluation(page, { testSet: set });
        } catch (error) {
            if (!isAbort(error)) replace(problems, problem(error));
        }
    }
}
