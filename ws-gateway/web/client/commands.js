// Commands over a socket that may break: each is sent again, unchanged, until it is answered or its time is over.

import { freshTrace } from "./ids.js";

/** The server refuses more at a time. */
export const IN_FLIGHT_MAX = 4;
/** Commands that wait for their turn or for a connection. */
export const WAITING_MAX = 32;
/** The time for a command in all, in milliseconds. */
export const COMMAND_MS_MAX = 30_000;
/** How often a command is sent again because the server said "later". */
export const RETRIES_MAX = 5;
/** A longer "later" is told to the caller instead. */
export const RETRY_AFTER_MS_MAX = 5_000;
const RETRY_AFTER_MS_DEFAULT = 300;
const RETRYABLE = new Set(["UNAVAILABLE", "DEADLINE_EXCEEDED"]);

/** Why a command failed, in the words of the gateway: `code` and `reason` are stable, `message` is for people. */
export class CommandError extends Error {
    /** @param {any} error as on the wire */
    constructor({ code, reason, message, retry_after_ms: retryAfterMs, trace_id: traceId, metadata, seats, fields }) {
        super(message);
        this.name = "CommandError";
        this.code = code;
        this.reason = reason;
        /** @type {number | undefined} */
        this.retryAfterMs = retryAfterMs;
        /** @type {string | undefined} by what the operator finds it in logs and traces */
        this.traceId = traceId;
        /** @type {Record<string, string>} */
        this.metadata = metadata ?? {};
        /** @type {{seat_id: number, state: string, until_ms?: number}[]} */
        this.seats = seats ?? [];
        /** @type {{field: string, rule: string}[]} */
        this.fields = fields ?? [];
    }
}

export class Commands {
    #send;
    #random;
    #pending = new Map();
    #inFlight = new Set();
    #next = 1;
    #ready = false;

    /**
     * @param {(text: string) => void} send
     * @param {() => number} [random]
     */
    constructor(send, random = Math.random) {
        this.#send = send;
        this.#random = random;
    }

    /**
     * @param {string} op
     * @param {object} fields
     * @param {object} [options]
     * @param {boolean} [options.first] goes before the connection is ready, and is not repeated: part of getting ready
     * @returns {Promise<any>} the reply
     */
    call(op, fields, { first = false } = {}) {
        if (!first && this.#pending.size >= WAITING_MAX) {
            return Promise.reject(failure("RESOURCE_EXHAUSTED", "OVERLOADED", "too many commands wait for an answer"));
        }
        const id = `c${this.#next++}`;
        return new Promise((resolve, reject) => {
            const noAnswer = () => {
                this.#finish(id);
                reject(command.error ?? failure("DEADLINE_EXCEEDED", "NO_ANSWER", "no answer in time; ask again"));
            };
            const timer = setTimeout(noAnswer, COMMAND_MS_MAX);
            const text = JSON.stringify({ op, id, ...fields, traceparent: freshTrace() });
            const command = { text, first, resolve, reject, timer, retries: 0, later: null, error: null };
            this.#pending.set(id, command);
            this.#flush();
        });
    }

    /** The connection takes commands from now on; those without an answer are sent again. */
    ready() {
        this.#ready = true;
        this.#flush();
    }

    /** The connection is gone: what was in flight has to be sent again. */
    broken() {
        this.#ready = false;
        this.#inFlight.clear();
        for (const [id, command] of this.#pending) {
            if (!command.first) continue;
            this.#finish(id);
            command.reject(failure("UNAVAILABLE", "DISCONNECTED", "the connection broke"));
        }
    }

    /** Answers every command with this error: the connection does not come back. */
    fail(code, reason, message) {
        for (const [id, { reject }] of this.#pending) {
            this.#finish(id);
            reject(failure(code, reason, message));
        }
    }

    /** @param {any} frame a reply, as on the wire */
    reply({ type, id, error, ...result }) {
        const command = this.#pending.get(id);
        if (!command) return;
        if (error && !command.first && this.#retry(id, command, error)) return;
        this.#finish(id);
        if (error) command.reject(new CommandError(error));
        else command.resolve(result);
        this.#flush();
    }

    #retry(id, command, error) {
        const afterMs = error.retry_after_ms ?? RETRY_AFTER_MS_DEFAULT;
        const later = RETRYABLE.has(error.code) || error.reason === "OVERLOADED";
        if (!later || afterMs > RETRY_AFTER_MS_MAX || command.retries >= RETRIES_MAX) return false;
        command.retries += 1;
        command.error = new CommandError(error);
        this.#inFlight.delete(id);
        // Up to half as long again, so that a crowd does not come back at once.
        const wait = afterMs * (1 + this.#random() / 2);
        command.later = setTimeout(() => {
            command.later = null;
            this.#flush();
        }, wait);
        this.#flush();
        return true;
    }

    #flush() {
        for (const [id, command] of this.#pending) {
            if (this.#inFlight.size >= IN_FLIGHT_MAX) return;
            const waits = command.later !== null || !(this.#ready || command.first);
            if (waits || this.#inFlight.has(id)) continue;
            this.#inFlight.add(id);
            this.#send(command.text);
        }
    }

    #finish(id) {
        const command = this.#pending.get(id);
        clearTimeout(command.timer);
        clearTimeout(command.later);
        this.#pending.delete(id);
        this.#inFlight.delete(id);
    }
}

function failure(code, reason, message) {
    return new CommandError({ code, reason, message });
}
