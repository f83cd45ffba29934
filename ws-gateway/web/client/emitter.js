// Events without the DOM, so that the client runs anywhere.

/** Calls listeners by the name of what happened. */
export class Emitter {
    #listeners = new Map();

    /**
     * @param {string} type
     * @param {(detail: any) => void} listener
     * @returns {() => void} takes the listener off again
     */
    on(type, listener) {
        const listeners = this.#listeners.get(type) ?? new Set();
        this.#listeners.set(type, listeners.add(listener));
        return () => listeners.delete(listener);
    }

    /**
     * @param {string} type
     * @param {any} [detail]
     */
    emit(type, detail) {
        for (const listener of [...(this.#listeners.get(type) ?? [])]) {
            listener(detail);
        }
    }
}
