// What the tests need of Node, from version 18 on.

import { webcrypto } from "node:crypto";

// Browsers have it, modules of Node 18 do not.
globalThis.crypto ??= webcrypto;

/** Timers that wait for `clock.tick`. Node 18 has none that can be relied on. */
export const clock = {
    now: 0,
    timers: new Map(),

    /** In the place of the real ones, from now on; nothing waits yet. */
    install() {
        this.timers.clear();
        const add = (act, ms = 0, every = null) => {
            // Node's own fetch takes its timers from here too, and expects these two.
            const id = { refresh: () => id, unref: () => id };
            this.timers.set(id, { act, at: this.now + Math.max(1, ms), every });
            return id;
        };
        const clear = (id) => this.timers.delete(id);
        globalThis.setTimeout = (act, ms) => add(act, ms);
        globalThis.setInterval = (act, ms) => add(act, ms, ms);
        globalThis.clearTimeout = globalThis.clearInterval = clear;
    },

    /** Lets so many milliseconds pass. */
    tick(ms) {
        const end = this.now + ms;
        for (;;) {
            const due = [...this.timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
            if (due.length === 0) break;
            const [[id, timer]] = due;
            this.now = timer.at;
            if (timer.every === null) this.timers.delete(id);
            else timer.at += timer.every;
            timer.act();
        }
        this.now = end;
    },
};

/** Lets what is ready run. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));
