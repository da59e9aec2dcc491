/** The client of the public API, from the page's own origin: JSON, errors with message and request id, and aborts. */

import { writeQuery } from './address.js';

const BASE = '/api/v1';
const TIMEOUT_MS = 30_000;

/** An answer that is no success, or none at all (status 0). */
export class ApiError extends Error {
    /**
     * @param {number} status
     * @param {string} message
     * @param {string | null} requestId
     * @param {Record<string, unknown>} [errors] what is wrong with which field
     */
    constructor(status, message, requestId, errors) {
        super(message);
        this.status = status;
        this.requestId = requestId;
        this.errors = errors ?? {};
    }
}

/**
 * @typedef {{signal?: AbortSignal, query?: Record<string, any>}} GetOptions
 */

/**
 * Get JSON, or raise an ApiError.
 * @param {string} path
 * @param {GetOptions} [options]
 * @returns {Promise<any>}
 */
export function get(path, { signal, query } = {}) {
    return request('GET', path + writeQuery(query ?? {}), { signal });
}

/**
 * Send JSON, or nothing, and return the answer's JSON; or raise an ApiError.
 * @param {'POST' | 'PUT' | 'DELETE'} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export function send(method, path, body, signal) {
    const headers = body === undefined ? undefined : { 'Content-Type': 'application/json' };
    return request(method, path, { headers, body: body === undefined ? undefined : JSON.stringify(body), signal });
}

/**
 * Open a stream of a path; its answer is the caller's to read, without a time limit.
 * @param {string} path
 * @param {string} accept
 * @param {AbortSignal} signal
 * @returns {Promise<Response>}
 */
export async function open(path, accept, signal) {
    const answer = await fetched(BASE + path, { headers: { Accept: accept }, signal, cache: 'no-store' });
    if (!answer.ok) throw await failure(answer);
    return answer;
}

/**
 * Send a file as it is, telling how much of it is on its way.
 * @param {string} path
 * @param {Blob} file
 * @param {(sent: number, total: number) => void} onProgress
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export function upload(path, file, onProgress, signal) {
    // fetch does not tell how much of a body has gone out.
    const request = new XMLHttpRequest();
    return new Promise((resolve, reject) => {
        request.open('PUT', BASE + path);
        request.setRequestHeader('Content-Type', 'application/octet-stream');
        request.upload.onprogress = (event) => onProgress(event.loaded, event.total);
        request.onload = () => {
            const body = parsed(request.responseText);
            if (request.status >= 200 && request.status < 300) resolve(body);
            else reject(errorOf(request.status, request.statusText, body, request.getResponseHeader('X-Request-ID')));
        };
        request.onerror = () => reject(new ApiError(0, 'The connection broke off.', null));
        request.onabort = () => reject(new DOMException('aborted', 'AbortError'));
        signal?.addEventListener('abort', () => request.abort());
        request.send(file);
    });
}

/**
 * The address of something of the API, for a link.
 * @param {string} path
 * @param {Record<string, any>} [query]
 * @returns {string}
 */
export function address(path, query) {
    return BASE + path + writeQuery(query ?? {});
}

/**
 * Whether this is no failure, but the page being left.
 * @param {unknown} error
 */
export function isAbort(error) {
    return error instanceof DOMException && error.name === 'AbortError';
}

/**
 * @param {string} method
 * @param {string} path
 * @param {{headers?: Record<string, string>, body?: string, signal?: AbortSignal}} options
 */
async function request(method, path, options) {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
    const headers = { Accept: 'application/json', ...options.headers };
    const answer = await fetched(BASE + path, { method, headers, body: options.body, signal });
    if (!answer.ok) throw await failure(answer);
    try {
        return answer.status === 204 ? null : await answer.json();
    } catch (error) {
        if (isAbort(error)) throw error;
        throw new ApiError(0, 'The answer broke off.', answer.headers.get('X-Request-ID'));
    }
}

/**
 * @param {string} address
 * @param {RequestInit} options
 */
async function fetched(address, options) {
    try {
        return await fetch(address, options);
    } catch (error) {
        if (error instanceof DOMException && error.name === 'TimeoutError') {
            throw new ApiError(0, `No answer within ${TIMEOUT_MS / 1000} seconds.`, null);
        }
        if (isAbort(error)) throw error;
        throw new ApiError(0, 'The server cannot be reached.', null);
    }
}

/** @param {Response} answer */
async function failure(answer) {
    const body = parsed(await answer.text().catch(() => ''));
    return errorOf(answer.status, answer.statusText, body, answer.headers.get('X-Request-ID'));
}

/**
 * @param {number} status
 * @param {string} statusText
 * @param {any} body
 * @param {string | null} requestId
 */
function errorOf(status, statusText, body, requestId) {
    const message = body?.message ?? (statusText || `status ${status}`);
    return new ApiError(status, String(message), requestId, body?.errors);
}

/** @param {string} text */
function parsed(text) {
    try {
        return JSON.parse(text);
    } catch {
        return null;
    }
}
