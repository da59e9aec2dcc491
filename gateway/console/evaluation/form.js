/** The form that begins an evaluation, from a model's page or from a test set's. */

import { get, send } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { ask, choice, field } from '../lib/elements.js';
import { count } from '../lib/format.js';

const SCORINGS = /** @type {[string, string][]} */ ([
    ['', 'By labels, where there are at most 50 of them; else by text'],
    ['labels', 'By labels: an answer is one of the labels, or invalid'],
    ['text', 'By text: an answer is the expected text, or wrong'],
    ['exact', 'Exactly: character by character'],
    ['contains', 'Contains: the expected text is in the answer'],
    ['number', 'By number: the answer gives the expected number'],
    ['json', 'By JSON: the answer is the expected JSON'],
    ['token_f1', 'Graded: F1 of the words, as in SQuAD'],
    ['rouge_l', 'Graded: ROUGE-L'],
    ['chrf', 'Graded: chrF'],
]);

/**
 * @param {import('../main.js').Page} page
 * @param {{model?: any, testSet?: any}} given what is settled already; the other is chosen
 */
export async function askForEvaluation(page, { model, testSet }) {
    const { signal } = page;
    const models = model ? [model] : (await get('/models', { query: { status: 'ready', limit: 100 }, signal })).data;
    const testSets = testSet ? [testSet] : (await get('/datasets', { query: { limit: 100 }, signal })).data;
    if (testSets.length === 0 || models.length === 0) {
        ask({
            title: 'Evaluate', action: testSets.length ? 'Show models' : 'Upload a test set',
            body: [h('p', null, testSets.length ? 'No model is ready yet.' : 'There is no test set yet: rows of an input and the answer that is expected.')],
            onSubmit: () => page.go(testSets.length ? '/ui/models' : '/ui/datasets'),
        });
        return;
    }
    const modelField = choice(models.map((/** @type {any} */ one) => [String(one.ID), `${one.name.slice(0, 100)} (${one.ID})`]), String(models[0].ID), { onchange: suggest });
    const setField = choice(testSets.map((/** @type {any} */ one) => [one.path, `${one.name.slice(0, 100)} (${count(one.rows)} rows)`]), testSets[0].path);
    const base = h('input', { maxlength: 255, spellcheck: 'false', required: true });
    const served = h('input', { maxlength: 255, spellcheck: 'false', required: true });
    const scoring = choice(SCORINGS, '');
    const extract = h('input', { type: 'checkbox' });
    const alone = h('input', { type: 'checkbox', onchange: () => { base.disabled = alone.checked; } });
    function suggest() {
        const chosen = models.find((/** @type {any} */ one) => String(one.ID) === modelField.value);
        base.value = chosen?.base_model ?? '';
        served.value = chosen?.served_name ?? '';
    }
    suggest();
    ask({
        title: 'Evaluate against the base model',
        action: 'Evaluate',
        body: [
            model ? null : field('Model', modelField),
            testSet ? null : field('Test set', setField),
            field('Base model', base, 'By the name that the inference server knows.'),
            h('label', { class: 'check' }, alone, 'No base: this model alone'),
            field('Fine-tuned model', served, 'By the name that the inference server knows.'),
            field('Scoring', scoring),
            h('label', { class: 'check' }, extract, 'A longer answer that names one label counts as that label'),
        ],
        onSubmit: async () => {
            const body = {
                test_set_path: setField.value, ...(alone.checked ? { base: null } : { base_model_name: base.value.trim() }), fine_tuned_served_name: served.value.trim(),
                ...(scoring.value ? { scoring: scoring.value } : {}), ...(extract.checked ? { extract_label: true } : {}),
            };
            const created = await send('POST', `/models/${modelField.value}/evaluate`, body, signal);
            page.go(`/ui/evaluations/${created.evaluation_id}`);
        },
    });
}
