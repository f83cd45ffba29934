// What outlives a reload: who one is, the hold and the bookings. Where the browser keeps nothing, this page does.

const PREFIX = "ticketengine";
/** Bookings of an event that are shown again. */
const BOOKINGS_MAX = 20;

const fallback = new Map();

function read(key) {
    try {
        return JSON.parse(localStorage.getItem(`${PREFIX}.${key}`) ?? "null");
    } catch {
        return fallback.get(key) ?? null;
    }
}

function write(key, value) {
    fallback.set(key, value);
    try {
        if (value === null) localStorage.removeItem(`${PREFIX}.${key}`);
        else localStorage.setItem(`${PREFIX}.${key}`, JSON.stringify(value));
    } catch {
        // Full, or not allowed: this page still remembers.
    }
}

/**
 * @typedef {{token: string, customerId: string, expiresAtMs: number}} Identity
 * @typedef {object} Hold
 * @property {string} reservationId
 * @property {string} reservationToken
 * @property {string} paymentReference one for all tries to pay, so that nobody pays twice
 */

export const identity = {
    /** @returns {Identity | null} */
    get() {
        const kept = read("identity");
        return kept && kept.expiresAtMs > Date.now() ? kept : null;
    },
    /** @param {Identity | null} value */
    set: (value) => write("identity", value),
};

/** What is remembered of one event and customer. */
export class Memory {
    #key;

    /**
     * @param {string} eventId
     * @param {string} customerId
     */
    constructor(eventId, customerId) {
        this.#key = `${eventId}.${customerId}`;
    }

    /** @returns {Hold | null} */
    get hold() {
        return read(`hold.${this.#key}`);
    }

    set hold(value) {
        write(`hold.${this.#key}`, value);
    }

    /** An order whose answer was not heard yet. @returns {{requestId: string, seats: number[]} | null} */
    get order() {
        return read(`order.${this.#key}`);
    }

    set order(value) {
        write(`order.${this.#key}`, value);
    }

    /** @returns {any[]} as the gateway gave them, the newest first */
    get bookings() {
        return read(`bookings.${this.#key}`) ?? [];
    }

    set bookings(value) {
        write(`bookings.${this.#key}`, value.slice(0, BOOKINGS_MAX));
    }
}
