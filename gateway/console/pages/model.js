/** One model: its metrics, its files with their checksums and links, how to use it, its evaluations. */

import { address, get, isAbort, send } from '../lib/api.js';
import { h, replace } from '../lib/dom.js';
import { ask, command, copyButton, facts, field, heading, others, problem, section, state, table, time } from '../lib/elements.js';
import { ago, bytes, figure, plural, shellWord, spoken } from '../lib/format.js';
import { askForEvaluation } from '../evaluation/form.js';

const POLL_MS = 5_000;
const SHOWN_FILES = 200;

/**
 * @param {import('../main.js').Page} page
 * @param {HTMLElement} root
 */
export async function show(page, root) {
    const path = `/models/${page.params.id}`;
    const problems = h('div');
    const content = h('div', { class: 'block sections-of-page' });
    const evaluations = h('div', { class: 'block' });
    let shown = '';
    await load();
    replace(root, problems, content);
    page.every(POLL_MS, async () => {
        try {
            await load();
            replace(problems);
        } catch (error) {
            if (!isAbort(error)) replace(problems, problem(error));
        }
    });

    async function load() {
        const [detail, judged] = await Promise.all([
            get(path, { signal: page.signal }),
            get('/evaluations', { query: { model_id: page.params.id, limit: 10 }, signal: page.signal }).catch((error) => error),
        ]);
        showEvaluations(evaluations, judged);
        // Links are signed anew in each answer; those on the page hold for a day.
        const text = JSON.stringify(detail, (name, value) => (['url', 'links_expire_at', 'lora_adapters', 'gguf'].includes(name) && typeof value === 'string' ? '' : value));
        if (text === shown || content.contains(document.activeElement)) return;
        shown = text;
        page.setTitle(detail.model.name);
        draw(page, content, detail, evaluations);
    }
}

/**
 * @param {import('../main.js').Page} page
 * @param {HTMLElement} content
 * @param {any} detail
 * @param {HTMLElement} evaluations
 */
function draw(page, content, detail, evaluations) {
    const { model, download_links: links } = detail;
    const ready = model.status === 'ready';
    replace(content,
        heading(others(model.name),
            ready ? h('button', { type: 'button', class: 'primary', onclick: () => void evaluate() }, 'Evaluate') : null,
            ready ? h('a', { class: 'button', href: links.archive ?? address(`/models/${model.ID}/download`), download: '' }, 'Download ZIP') : null,
            h('button', { type: 'button', class: 'danger', onclick: remove }, 'Delete')),
        facts([
            ['Status', state(model.status)],
            ['Base model', others(model.base_model)],
            ['Type', others(model.type)],
            ['Served as', others(model.served_name)],
            ['Repository', model.repo_id ? others(model.repo_id) : null],
            ['Size', bytes(model.total_size)],
            ['Job', model.job_id ? h('a', { href: `/ui/jobs/${model.job_id}` }, model.job?.name ? others(model.job.name) : `Job ${model.job_id}`) : null],
            ['Created', time(model.created_at)],
        ]),
        model.description ? h('p', { class: 'preserved' }, others(model.description)) : null,
        model.status === 'error' ? h('p', { class: 'notice' }, 'This model is marked as wrong; its files say why, if it is theirs.') : null,
        h('div', { class: 'columns' },
            section('Training metrics', metrics(model.training_metrics, 'None were reported.')),
            section('Evaluations', evaluations)),
        section('Files', files(model)),
        ready ? section('Use it', h('div', { class: 'snippets' }, snippets(model, links))) : section('Finish the upload', h('div', { class: 'snippets' }, unfinished(model))));

    async function evaluate() {
        try {
            await askForEvaluation(page, { model });
        } catch (error) {
            if (!isAbort(error)) content.prepend(problem(error));
        }
    }

    function remove() {
        const name = h('input', { autocomplete: 'off', spellcheck: 'false', required: true });
        const purge = h('input', { type: 'checkbox' });
        ask({
            title: 'Delete this model?', action: 'Delete', danger: true,
            body: [
                h('p', null, 'The record goes for good. To go on, type the model’s name: ', h('strong', null, others(model.name))),
                field('Name', name),
                h('label', { class: 'check' }, purge, `Delete its files, too (${bytes(model.total_size)})`),
            ],
            onSubmit: async () => {
                if (name.value !== model.name) throw new Error('That is not the model’s name.');
                await send('DELETE', `/models/${model.ID}${purge.checked ? '?purge=true' : ''}`, undefined, page.signal);
                page.go('/ui/models');
            },
        });
    }
}

/**
 * @param {Record<string, any> | null} values
 * @param {string} none
 */
function metrics(values, none) {
    const rows = Object.entries(values ?? {});
    if (rows.length === 0) return h('p', { class: 'quiet' }, none);
    return table('Metrics', ['Metric', { title: 'Value', class: 'number' }], rows.slice(0, 100).map(([name, value]) =>
        [others(spoken(name)), typeof value === 'number' ? figure(value) : others(typeof value === 'string' ? value : JSON.stringify(value))]));
}

/** @param {any} model */
function files(model) {
    const count = Object.keys(model.files).length;
    if (count === 0) return h('p', { class: 'quiet' }, 'None yet.');
    const rows = model.file_list.slice(0, SHOWN_FILES).map((/** @type {any} */ file) => [
        [others(file.path), file.error ? h('div', { class: 'bad' }, '✕ ', others(file.error)) : null],
        bytes(file.size),
        file.sha256
            ? h('span', { class: 'nowrap' }, h('code', { title: file.sha256 }, file.sha256.slice(0, 12), '…'), ' ', copyButton(file.sha256))
            : h('span', { class: 'quiet' }, 'not known yet'),
        file.url ? h('a', { href: file.url, download: '', 'aria-label': `Download ${file.path}` }, 'Download') : h('span', { class: 'quiet' }, '–'),
    ]);
    return h('div', { class: 'block' },
        table('Files', [{ title: 'Path', class: 'name' }, { title: 'Size', class: 'number' }, 'SHA-256', 'Link'], rows, 'cards'),
        h('p', { class: 'quiet' }, `${plural(count, 'file')}${count > rows.length ? `, the first ${rows.length} shown` : ''}. Links open for everybody who has them; they end ${ago(model.links_expire_at, Date.now())}.`));
}

/**
 * @param {HTMLElement} root
 * @param {any} judged
 */
function showEvaluations(root, judged) {
    if (judged instanceof Error) return replace(root, problem(judged));
    if (judged.data.length === 0) return replace(root, h('p', { class: 'quiet' }, 'Not evaluated yet: “Evaluate” compares it with its base model.'));
    const rows = judged.data.map((/** @type {any} */ one) => [
        h('a', { href: `/ui/evaluations/${one.ID}` }, `Evaluation ${one.ID}`), state(one.status),
        others(one.test_set_path.replace(/^datasets\//, '')), time(one.completed_at ?? one.created_at),
    ]);
    return replace(root, table('Evaluations', [{ title: 'Evaluation', class: 'name' }, 'Status', 'Test set', 'When'], rows, 'cards'),
        judged.total > rows.length ? h('p', null, h('a', { href: `/ui/evaluations?model=${judged.data[0].model_id}` }, `All ${judged.total}`)) : null);
}

/**
 * Commands for what people use models with. Names of others are quoted for the shell, or for Python.
 * @param {any} model
 * @param {Record<string, string | null>} links
 */
function snippets(model, links) {
    const archive = links.archive ?? `${location.origin}/api/v1/models/${model.ID}/download`;
    const paths = model.file_list.map((/** @type {any} */ file) => file.path);
    const gguf = model.file_list.find((/** @type {any} */ file) => file.path.endsWith('.gguf') && file.url);
    const adapter = paths.find((/** @type {string} */ path) => path.endsWith('adapter_config.json'));
    const folder = `${model.ID}/${adapter ? adapter.replace(/\/?[^/]*$/, '') : 'lora_adapters'}`;
    const python = (/** @type {string} */ text) => JSON.stringify(text);
    const repo = model.repo_id;
    return [
        snippet('tunedeck, which verifies each file and goes on where it was cut off', `TUNEDECK_URL=${location.origin} tunedeck pull ${model.ID} model-${model.ID}`, true),
        snippet('curl, which goes on where it was cut off', `curl -fL -C - -o model-${model.ID}.zip ${shellWord(archive)}`),
        repo && adapter ? snippet('PEFT', `# HF_ENDPOINT=${location.origin} HF_HUB_DISABLE_XET=1\nfrom peft import AutoPeftModelForCausalLM\n\nmodel = AutoPeftModelForCausalLM.from_pretrained(${python(repo)})`) : null,
        repo ? snippet('transformers', `# HF_ENDPOINT=${location.origin} HF_HUB_DISABLE_XET=1\nfrom transformers import AutoModelForCausalLM\n\nmodel = AutoModelForCausalLM.from_pretrained(${python(repo)})`) : null,
        repo ? snippet('vLLM', adapter
            ? `HF_ENDPOINT=${location.origin} HF_HUB_DISABLE_XET=1 hf download ${shellWord(repo)} --local-dir ${model.ID}\nvllm serve ${shellWord(model.base_model)} --enable-lora --lora-modules ${shellWord(`${model.served_name}=${folder}`)}`
            : `HF_ENDPOINT=${location.origin} HF_HUB_DISABLE_XET=1 vllm serve ${shellWord(repo)}`) : null,
        !repo && adapter ? snippet('PEFT, once the ZIP is unpacked', `from peft import PeftModel\nfrom transformers import AutoModelForCausalLM\n\nbase = AutoModelForCausalLM.from_pretrained(${python(model.base_model)})\nmodel = PeftModel.from_pretrained(base, ${python(folder)})`) : null,
        !repo && adapter ? snippet('vLLM, once the ZIP is unpacked', `vllm serve ${shellWord(model.base_model)} --enable-lora --lora-modules ${shellWord(`${model.served_name}=${folder}`)}`) : null,
        gguf ? snippet('llama.cpp', `llama-server --model-url ${shellWord(gguf.url)}`) : null,
        gguf ? snippet('Ollama, once the ZIP is unpacked', `echo ${shellWord(`FROM ./${model.ID}/${gguf.path}`)} > Modelfile\nollama create ${shellWord(model.served_name)} -f Modelfile`) : null,
    ];
}

/**
 * @param {string} title
 * @param {string} text
 * @param {boolean} [open]
 */
function snippet(title, text, open = false) {
    return h('details', { open }, h('summary', null, title), command(text, title));
}

/** @param {any} model */
function unfinished(model) {
    const url = `${location.origin}/api/v1/models/${model.ID}`;
    return [
        h('p', { class: 'quiet' }, 'Send its files, then make it ready:'),
        command(`curl -T adapter_model.safetensors ${url}/files/lora_adapters/adapter_model.safetensors`),
        command(`curl -X PUT ${url} -H "Content-Type: application/json" -d '{"status": "ready"}'`),
    ];
}
