// The gateway over HTTP.

/** Tries for what the page can not do without, and the first wait between them, in milliseconds. */
const TRIES = 4;
const WAIT_MS = 400;
const PAGES_MAX = 20;

/** An answer that is an error; `status` is 0 where there was no answer. */
export class ApiError extends Error {
    constructor(status, error) {
        super(error?.message ?? "The server can not be reached.");
        this.status = status;
        this.reason = error?.reason ?? "UNREACHABLE";
    }
}

async function ask(path, options) {
    let answer;
    try {
        answer = await fetch(path, options);
    } catch {
        throw new ApiError(0);
    }
    const body = await answer.json().catch(() => null);
    if (!answer.ok) throw new ApiError(answer.status, body?.error);
    return body;
}

/** Again where it may help: no answer, or "later". */
async function get(path) {
    for (let tried = 1; ; tried += 1) {
        try {
            return await ask(path);
        } catch (error) {
            const later = error.status === 0 || error.status >= 500;
            if (!later || tried === TRIES) throw error;
            await new Promise((resolve) => setTimeout(resolve, WAIT_MS * 2 ** tried * Math.random()));
        }
    }
}

/** @returns {Promise<any[]>} all events */
export async function events() {
    const all = [];
    let token = "";
    for (let page = 0; page < PAGES_MAX; page += 1) {
        const answer = await get(`/v1/events?page_token=${encodeURIComponent(token)}`);
        all.push(...answer.events);
        token = answer.next_page_token;
        if (!token) break;
    }
    return all;
}

/** @param {string} id */
export const event = (id) => get(`/v1/events/${encodeURIComponent(id)}`);

/** @param {string} id */
export const layout = (id) => get(`/v1/events/${encodeURIComponent(id)}/layout`);

/** @param {string} customerId @returns {Promise<{token: string, expires_in_s: number}>} */
export function demoToken(customerId) {
    const body = JSON.stringify({ customer_id: customerId });
    return ask("/v1/demo/token", { method: "POST", headers: { "content-type": "application/json" }, body });
}

/**
 * What a token says of itself; nothing is verified here.
 * @param {string} token
 * @returns {{customerId: string, expiresAtMs: number | null} | null} null where it is no token
 */
export function claimsOf(token) {
    try {
        const payload = token.trim().split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
        const text = new TextDecoder().decode(Uint8Array.from(atob(payload), (letter) => letter.charCodeAt(0)));
        const { sub, exp } = JSON.parse(text);
        if (typeof sub !== "string" || !sub) return null;
        return { customerId: sub, expiresAtMs: Number.isFinite(exp) ? exp * 1000 : null };
    } catch {
        return null;
    }
}
