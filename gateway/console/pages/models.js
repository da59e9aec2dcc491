/** The models: which are ready, of which base, how large, of which job. */

import { h, replace } from '../lib/dom.js';
import { command, empty, heading, others, state, time } from '../lib/elements.js';
import { bytes, figure } from '../lib/format.js';
import { showList } from '../lib/list.js';

/**
 * @param {import('../main.js').Page} page
 * @param {HTMLElement} root
 */
export function show(page, root) {
    page.setTitle('Models');
    const list = h('div', { class: 'block' });
    replace(root, heading('Models'), list, h('details', null, h('summary', null, 'Upload a model'), h('div', { class: 'snippets' }, upload())));
    showList(page, list, {
        path: '/models',
        name: 'models',
        filters: [
            { name: 'q', label: 'Name' },
            { name: 'base', label: 'Base model', parameter: 'base_model' },
            { name: 'status', label: 'Status', options: [['', 'any'], ['ready', 'ready'], ['uploading', 'uploading'], ['error', 'error']] },
            { name: 'job', label: 'Job', parameter: 'job_id', inputmode: 'numeric' },
            { name: 'sort', label: 'Sorted by', options: [['', 'newest'], ['name', 'name'], ['total_size', 'size']] },
        ],
        columns: [
            { title: 'Model', class: 'name', cell: (model) => h('a', { href: `/ui/models/${model.ID}` }, others(model.name)) },
            { title: 'ID', class: 'number', cell: (model) => model.ID },
            { title: 'Status', cell: (model) => state(model.status) },
            { title: 'Base model', cell: (model) => others(model.base_model) },
            { title: 'Type', cell: (model) => others(model.type) },
            { title: 'Job', class: 'number', cell: (model) => (model.job_id ? h('a', { href: `/ui/jobs/${model.job_id}` }, model.job_id) : h('span', { class: 'quiet' }, '–')) },
            { title: 'Loss', class: 'number', cell: (model) => figure(model.training_metrics?.loss) },
            { title: 'Size', class: 'number', cell: (model) => bytes(model.total_size) },
            { title: 'Created', cell: (model) => time(model.created_at) },
        ],
        empty: () => empty('No models yet.', h('p', null, 'A job’s kernel uploads the model that it made. Or upload one that you have:'), ...upload()),
    });
}

function upload() {
    const api = `${location.origin}/api/v1`;
    return [
        command(`TUNEDECK_URL=${location.origin} tunedeck push out/adapter --base-model llama-3.2-3b`),
        h('p', { class: 'quiet' }, 'Or by HTTP:'),
        command(`curl -X POST ${api}/models -H "Content-Type: application/json" -d '{"name": "My model", "base_model": "llama-3.2-3b"}'`),
        command(`curl -T adapter_model.safetensors ${api}/models/ID/files/lora_adapters/adapter_model.safetensors`),
        command(`curl -X PUT ${api}/models/ID -H "Content-Type: application/json" -d '{"status": "ready"}'`),
        h('p', { class: 'quiet' }, 'ID is what the first command answers. Files above 500 MiB are sent in parts; docs/api.md says how.'),
    ];
}
