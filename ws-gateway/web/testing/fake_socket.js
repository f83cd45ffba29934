// A WebSocket that tests drive, and an encoder for what it receives.

import { connect } from "../client/ticketengine.js";
import { clock, settled } from "./runtime.js";

/** The frames' fields, written by hand rather than by the code under test. */
export const bytes = {
    varint(value) {
        const out = [];
        for (; value >= 128; value = Math.floor(value / 128)) out.push((value % 128) + 128);
        return [...out, value];
    },
    number: (field, value) => [field * 8, ...bytes.varint(value)],
    fixed32: (field, value) => [field * 8 + 5, ...[0, 8, 16, 24].map((shift) => (value >>> shift) & 255)],
    block: (field, content) => [field * 8 + 2, ...bytes.varint(content.length), ...content],
    packed: (field, list) => bytes.block(field, list.flatMap(bytes.varint)),
};

export class FakeSocket {
    static all = [];
    static get last() {
        return FakeSocket.all.at(-1);
    }

    sent = [];
    /** The trace of each command that was sent. */
    traces = [];
    readyState = 0;

    constructor(url, protocols) {
        Object.assign(this, { url: new URL(url), protocols });
        FakeSocket.all.push(this);
    }

    send(text) {
        const { traceparent, ...command } = JSON.parse(text);
        this.sent.push(command);
        this.traces.push(traceparent);
    }

    close() {
        this.readyState = 3;
    }

    /** Opens and says hello. */
    hello(heartbeatMs = 15_000) {
        this.readyState = 1;
        this.onopen();
        this.json({ type: "hello", event_id: "e", heartbeat_ms: heartbeatMs });
        return this;
    }

    json(frame) {
        this.onmessage({ data: JSON.stringify(frame) });
    }

    binary(frame) {
        this.onmessage({ data: Uint8Array.from(frame).buffer });
    }

    snapshot(epoch, version, states) {
        this.json({ type: "snapshot", epoch, version, states });
    }

    /** The server or the network ends it. */
    drop(code = 1006, reason = "") {
        this.readyState = 3;
        this.onclose({ code, reason });
    }

    /** Answers the last command with this op. */
    reply(op, result) {
        const { id } = this.sent.findLast((frame) => frame.op === op);
        this.json({ type: "reply", id, ...result });
        return settled();
    }
}

/** Connects over fake sockets, with a fake clock. */
export function start(options = {}) {
    FakeSocket.all = [];
    clock.install();
    const connection = connect({
        origin: "https://gate.example",
        eventId: "e",
        encoding: "json",
        WebSocket: FakeSocket,
        random: () => 0.5,
        ...options,
    });
    const told = [];
    for (const type of ["state", "snapshot", "change", "reservation", "unauthenticated"]) {
        connection.on(type, (detail) => told.push(type === "state" ? detail.state : [type, detail]));
    }
    return { connection, told };
}
