import { heading } from '../lib/elements.js';
import { replace } from '../lib/dom.js';
/** @param {import('../main.js').Page} page @param {HTMLElement} root */
export function show(page, root) {
    replace(root, heading('To come'));
}
