/**
 * The one place that makes DOM nodes: elements that the code names, text nodes, and attributes that cannot run anything.
 *
 * What others wrote (log lines, names, outputs of models) only ever becomes a text node; nothing here parses HTML.
 */

const ELEMENTS = new Set((
    'a abbr article aside b bdi button canvas caption code datalist dd del details dialog div dl dt em fieldset figcaption ' +
    'figure footer form h1 h2 h3 header hr input ins kbd label legend li main mark nav ol option output p pre progress ' +
    'search section select small span strong summary table tbody td textarea tfoot th thead time tr ul').split(' '));

const SVG_ELEMENTS = new Set('svg path line rect circle text title g'.split(' '));

const ATTRIBUTES = new Set((
    'accept autocapitalize autocomplete class colspan cx cy d datetime dir disabled download fill for height hidden href id ' +
    'inputmode lang list max maxlength min name open pattern placeholder r readonly rel required role rows rowspan scope ' +
    'selected spellcheck step stroke tabindex target text-anchor title type value viewBox width x x1 x2 y y1 y2 checked multiple ' +
    'preserveAspectRatio wrap').split(' '));

/**
 * A child of an element: a node, text, nothing, or many of them, to any depth.
 * @typedef {Node | string | number | null | undefined | false | readonly any[]} Child
 */

/**
 * Return an address if a link may go there: this site's paths, http and https. Anything else would be able to run.
 * @param {unknown} address
 * @returns {string | null}
 */
export function safeLink(address) {
    const text = String(address ?? '');
    if (/^#[\w-]*$/.test(text) || /^\/(?![/\\])[^\\\s]*$/.test(text)) return text;
    return /^https?:\/\/[^\s/\\]/i.test(text) ? text : null;
}

/**
 * Make an element. `attributes` may have what ATTRIBUTES names, `aria-…`, `data-…`, and functions as `onclick` and the like.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name
 * @param {Record<string, any> | null} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(name, attributes, ...children) {
    if (!ELEMENTS.has(name)) throw new Error(`no element of the console: ${name}`);
    return fill(document.createElement(name), attributes, children);
}

/**
 * Make an element of a drawing.
 * @param {string} name
 * @param {Record<string, any> | null} [attributes]
 * @param {...Child} children
 * @returns {SVGElement}
 */
export function svg(name, attributes, ...children) {
    if (!SVG_ELEMENTS.has(name)) throw new Error(`no drawing of the console: ${name}`);
    return fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
}

/**
 * Replace what an element has.
 * @param {Element} element
 * @param {...Child} children
 */
export function replace(element, ...children) {
    element.replaceChildren(...nodes(children));
}

/**
 * @template {Element} E
 * @param {E} element
 * @param {Record<string, any> | null | undefined} attributes
 * @param {Child[]} children
 * @returns {E}
 */
function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes ?? {})) setAttribute(element, name, value);
    element.append(...nodes(children));
    return element;
}

/**
 * Set an attribute, a listener or, with null and false, neither.
 * @param {Element} element
 * @param {string} name
 * @param {any} value
 */
export function setAttribute(element, name, value) {
    if (name.startsWith('on')) {
        if (typeof value !== 'function') throw new Error(`${name} takes a function`);
        element.addEventListener(name.slice(2), value);
        return;
    }
    if (!ATTRIBUTES.has(name) && !/^(aria|data)-[a-z-]+$/.test(name)) throw new Error(`no attribute of the console: ${name}`);
    if (value === null || value === undefined || value === false) {
        element.removeAttribute(name);
    } else if (name === 'href') {
        const link = safeLink(value);
        if (link !== null) element.setAttribute(name, link);
    } else {
        element.setAttribute(name, value === true ? '' : String(value));
    }
}

/**
 * @param {readonly Child[]} children
 * @returns {(Node | string)[]}
 */
function nodes(children) {
    return /** @type {Child[]} */ (children.flat(Infinity))
        .filter((child) => child !== null && child !== undefined && child !== false)
        .map((child) => (child instanceof Node ? child : String(child)));
}
