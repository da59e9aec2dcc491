/** Signing in, where tokens are asked for: the token becomes a cookie that no script can read. */

import { ApiError, get, send } from '../lib/api.js';
import { h, replace } from '../lib/dom.js';
import { facts, field, heading, others, problem, time } from '../lib/elements.js';

/**
 * @param {import('../main.js').Page} page
 * @param {HTMLElement} root
 */
export async function show(page, root) {
    page.setTitle('Sign in');
    const session = await get('/session', { signal: page.signal }).catch((error) => {
        // Services without tokens have no sessions either.
        if (error instanceof ApiError && [404, 405].includes(error.status)) return { authentication: false };
        throw error;
    });
    const then = page.query.then?.startsWith('/ui/') ? page.query.then : '/ui/jobs';
    if (!session.authentication) {
        replace(root, heading('Sign in'), h('p', null, 'No token is needed here: everybody who reaches this address may do everything. ', h('a', { href: then }, 'Go on')));
        return;
    }
    if (session.name) {
        replace(root, heading('Signed in'), facts([['Name', others(session.name)], ['Scopes', session.scopes ? others(session.scopes.join(', ')) : null], ['Until', time(session.expires_at)]]),
            h('div', { class: 'actions' }, h('a', { class: 'button primary', href: then }, 'Go on'), h('button', { type: 'button', onclick: () => void leave() }, 'Sign out')));
        return;
    }
    const token = h('input', { type: 'password', autocomplete: 'current-password', required: true, spellcheck: 'false' });
    const problems = h('div');
    replace(root, heading('Sign in'), h('form', { class: 'block narrow', onsubmit: enter }, field('Token', token, 'It is kept as a cookie that no script can read, for twelve hours.'), problems,
        h('div', { class: 'actions' }, h('button', { type: 'submit', class: 'primary' }, 'Sign in'))));
    token.focus();

    /** @param {Event} event */
    async function enter(event) {
        event.preventDefault();
        try {
            await send('POST', '/session', { token: token.value }, page.signal);
            page.go(then, { replace: true });
        } catch (error) {
            replace(problems, problem(error));
        }
    }

    async function leave() {
        try {
            await send('DELETE', '/session', undefined, page.signal);
            page.go('/ui/login', { replace: true });
        } catch (error) {
            root.append(problem(error));
        }
    }
}
