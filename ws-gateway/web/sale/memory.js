// What outlives a reload: who one is, the hold and the bookings. Where the browser keeps nothing, this page does.

const PREFIX = "ticketengine";
/** Bookings of an event that are shown again. */
const BOOKINGS_MAX = 20;
/** Holds of one customer, in as many tabs, that are looked at after a reload. */
const HOLDS_MAX = 8;

const fallback = new Map();

// Reaching for a storage that is not allowed throws already.
const shared = () => localStorage;

function read(key, storage = shared) {
    try {
        return JSON.parse(storage().getItem(`${PREFIX}.${key}`) ?? "null");
    } catch {
        return fallback.get(key) ?? null;
    }
}

function write(key, value, storage = shared) {
    fallback.set(key, value);
    try {
        if (value === null) storage().removeItem(`${PREFIX}.${key}`);
        else storage().setItem(`${PREFIX}.${key}`, JSON.stringify(value));
    } catch {
        // Full, or not allowed: this page still remembers.
    }
}

function keys() {
    try {
        const kept = Array.from({ length: localStorage.length }, (_, index) => localStorage.key(index));
        return kept.filter((key) => key.startsWith(`${PREFIX}.`)).map((key) => key.slice(PREFIX.length + 1));
    } catch {
        return [...fallback.keys()];
    }
}

/**
 * @typedef {{token: string, customerId: string, expiresAtMs: number, demo?: boolean}} Identity
 * @typedef {{requestId: string, seats: number[], askedAtMs: number}} Order
 * @typedef {object} Hold
 * @property {string} reservationId
 * @property {string} reservationToken
 * @property {string} paymentReference one for all tries to pay, so that nobody pays twice
 * @property {number} heldAtMs by this device's clock
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

/** What is remembered of one event and customer. Tabs share it; a tab knows by itself which hold is its own. */
export class Memory {
    #key;

    /**
     * @param {string} eventId
     * @param {string} customerId
     */
    constructor(eventId, customerId) {
        this.#key = [eventId, customerId].map(encodeURIComponent).join("/");
    }

    /** @returns {Hold[]} of all tabs, the newest first */
    get holds() {
        const prefix = `hold/${this.#key}/`;
        const found = keys()
            .filter((key) => key.startsWith(prefix))
            .map((key) => read(key))
            .filter(Boolean);
        return found.sort((a, b) => b.heldAtMs - a.heldAtMs).slice(0, HOLDS_MAX);
    }

    /** @param {Hold} hold */
    keep(hold) {
        write(this.#holdKey(hold.reservationId), hold);
    }

    /** @param {string} reservationId */
    drop(reservationId) {
        write(this.#holdKey(reservationId), null);
    }

    /** The hold of this tab, after a reload too. @returns {string | null} */
    get tab() {
        return read(`tab/${this.#key}`, () => sessionStorage);
    }

    set tab(reservationId) {
        write(`tab/${this.#key}`, reservationId, () => sessionStorage);
    }

    #holdKey(reservationId) {
        return `hold/${this.#key}/${encodeURIComponent(reservationId)}`;
    }

    /** An order whose answer was not heard yet. @returns {Order | null} */
    get order() {
        return read(`order/${this.#key}`);
    }

    set order(value) {
        write(`order/${this.#key}`, value);
    }

    /** Made on this device: others do not know them. @returns {any[]} as the gateway gave them, the newest first */
    get bookings() {
        return read(`bookings/${this.#key}`) ?? [];
    }

    set bookings(value) {
        write(`bookings/${this.#key}`, value.slice(0, BOOKINGS_MAX));
    }
}
