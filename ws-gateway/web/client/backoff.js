// How long to wait before the next try: exponential with full jitter, so that a crowd does not come back at once.

/** The first try waits at most this long, in milliseconds. */
export const BASE_MS = 500;
/** No try waits longer, unless the server asked for it. */
export const CAP_MS = 30_000;
/** The longest wait that a server may ask for. */
export const ASKED_MS_MAX = 120_000;

export class Backoff {
    #attempt = 0;
    #random;

    /** @param {() => number} [random] a number in [0, 1) */
    constructor(random = Math.random) {
        this.#random = random;
    }

    /** How many waits there were since the last success. */
    get attempt() {
        return this.#attempt;
    }

    /**
     * @param {number} [askedMs] what the server asked for, in milliseconds: the least to wait
     * @returns {number} milliseconds
     */
    next(askedMs = 0) {
        const ceiling = Math.min(CAP_MS, BASE_MS * 2 ** Math.min(this.#attempt, 20));
        this.#attempt += 1;
        return Math.min(Math.max(askedMs, 0), ASKED_MS_MAX) + this.#random() * ceiling;
    }

    /** After a success. */
    reset() {
        this.#attempt = 0;
    }
}
