// One socket from its opening to its end, with the watches that notice a dead one.

import { decode } from "./frames.js";

/** From the first byte to hello, in milliseconds. */
export const HELLO_MS_MAX = 10_000;
/** So many heartbeats of silence are a broken connection. */
export const SILENT_HEARTBEATS = 2.5;
/** Said by us, to be told apart in the server's numbers. */
const CLOSED_BY_PAGE = 1000;

/**
 * @typedef {object} Listener
 * @property {(frame: any) => void} frame
 * @property {(end: {code: number, reason: string, opened: boolean}) => void} end called once
 */

export class Link {
    #socket;
    #listener;
    #timer;
    #silenceMs = HELLO_MS_MAX;
    #opened = false;

    /**
     * @param {string} url
     * @param {string} protocol
     * @param {typeof globalThis.WebSocket} WebSocket
     * @param {Listener} listener
     */
    constructor(url, protocol, WebSocket, listener) {
        this.#listener = listener;
        this.#socket = new WebSocket(url, [protocol]);
        this.#socket.binaryType = "arraybuffer";
        this.#socket.onopen = () => {
            this.#opened = true;
            this.#heard();
        };
        this.#socket.onmessage = ({ data }) => this.#message(data);
        this.#socket.onclose = ({ code, reason }) => this.#end(code, reason);
        // A close follows each error.
        this.#socket.onerror = () => {};
        this.#heard();
    }

    /** @param {number} heartbeatMs how often the server says something at least */
    expect(heartbeatMs) {
        this.#silenceMs = heartbeatMs * SILENT_HEARTBEATS;
        this.#heard();
    }

    /** @param {string} text */
    send(text) {
        // Else the end comes soon, and commands are sent again over the next link.
        if (this.#socket.readyState === 1) this.#socket.send(text);
    }

    /** @param {string} reason */
    close(reason) {
        this.#end(CLOSED_BY_PAGE, reason);
    }

    #message(data) {
        if (!this.#listener) return;
        this.#heard();
        let frame;
        try {
            frame = decode(data);
        } catch {
            return this.#end(CLOSED_BY_PAGE, "a frame that can not be read");
        }
        this.#listener.frame(frame);
    }

    #heard() {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#end(CLOSED_BY_PAGE, "silence"), this.#silenceMs);
    }

    #end(code, reason) {
        const listener = this.#listener;
        if (!listener) return;
        this.#listener = null;
        clearTimeout(this.#timer);
        // Without waiting for the other side: it may be gone.
        this.#socket.close(CLOSED_BY_PAGE, reason);
        listener.end({ code, reason, opened: this.#opened });
    }
}
