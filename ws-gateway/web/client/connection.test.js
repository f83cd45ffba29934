import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeSocket, bytes, start } from "../testing/fake_socket.js";
import { clock, settled } from "../testing/runtime.js";
import { crc32 } from "./board.js";

const tick = (ms) => clock.tick(ms);
const query = (socket) => socket.url.searchParams.toString();

test("a board comes and changes, in either encoding", () => {
    for (const encoding of ["json", "bin"]) {
        const { connection, told } = start({ encoding });
        assert.equal(FakeSocket.last.url.href, "wss://gate.example/v1/events/e/seats");
        assert.deepEqual(FakeSocket.last.protocols, [`ticketengine.v1.${encoding}`]);
        const socket = FakeSocket.last.hello();
        if (encoding === "json") {
            socket.snapshot(1, 5, "0000");
            socket.json({ type: "changes", epoch: 1, after_version: 5, version: 6, held: [2] });
        } else {
            socket.binary(bytes.block(1, [...bytes.number(1, 1), ...bytes.number(2, 5), ...bytes.block(3, [0])]));
            const span = [...bytes.number(1, 1), ...bytes.number(2, 5), ...bytes.number(3, 6)];
            socket.binary(bytes.block(2, [...span, ...bytes.packed(5, [2])]));
        }
        assert.deepEqual(told, [["snapshot", { seats: [] }], "live", ["change", { seats: [2] }]]);
        assert.equal(connection.board.get(2), 1);
        connection.close();
    }
});

test("it comes back with its position, after a wait with full jitter", () => {
    const { connection, told } = start();
    FakeSocket.last.hello().snapshot(7, 123, "0000");
    FakeSocket.last.drop();
    assert.equal(connection.state.state, "reconnecting");
    assert.equal(connection.state.retryInMs, 250);
    tick(249);
    assert.equal(FakeSocket.all.length, 1);
    tick(1);
    assert.equal(query(FakeSocket.last), "epoch=7&version=123");
    FakeSocket.last.hello().json({ type: "changes", epoch: 7, after_version: 123, version: 125, sold: [0] });
    assert.equal(told.at(-1), "live");
    assert.equal(connection.board.get(0), 2);
    connection.close();
});

test("a gap or a wrong checksum: it comes back without a position", () => {
    const wrong = [
        { type: "changes", epoch: 1, after_version: 6, version: 7, held: [1] },
        { type: "heartbeat", epoch: 1, version: 5, checksum: 1, as_of_ms: 0 },
    ];
    for (const frame of wrong) {
        const { connection } = start();
        const socket = FakeSocket.last.hello();
        socket.snapshot(1, 5, "0000");
        socket.json(frame);
        assert.equal(socket.readyState, 3);
        tick(500);
        assert.equal(query(FakeSocket.last), "");
        assert.deepEqual(connection.board.position, { epoch: 1, version: 5 }, "still what is shown");
        FakeSocket.last.hello().snapshot(1, 7, "0100");
        assert.equal(connection.state.state, "live");
        connection.close();
    }
});

test("after a gap nothing but a snapshot is taken", () => {
    const { connection } = start();
    FakeSocket.last.hello().snapshot(1, 5, "0000");
    FakeSocket.last.json({ type: "changes", epoch: 1, after_version: 6, version: 7, held: [1] });
    tick(500);
    FakeSocket.last.hello().json({ type: "changes", epoch: 1, after_version: 5, version: 8, held: [2] });
    assert.equal(connection.state.state, "reconnecting");
    assert.equal(connection.board.get(2), 0);
    connection.close();
});

test("a broken frame ends the connection, with its position kept", () => {
    const broken = [
        "{",
        "null",
        "7",
        "{}",
        '{"type":"snapshot"}',
        '{"type":"changes","free":7}',
        '{"type":"reservation"}',
    ];
    for (const data of broken) {
        const { connection } = start();
        FakeSocket.last.hello().snapshot(1, 5, "0000");
        FakeSocket.last.onmessage({ data });
        assert.equal(connection.state.state, "reconnecting", data);
        tick(500);
        assert.equal(query(FakeSocket.last), "epoch=1&version=5");
        connection.close();
    }
});

test("2.5 heartbeats of silence are a broken connection", () => {
    const { connection } = start();
    const socket = FakeSocket.last.hello(1000);
    socket.snapshot(1, 5, "0000");
    tick(2400);
    socket.json({ type: "heartbeat", epoch: 1, version: 5, checksum: crc32(Uint8Array.of(0)), as_of_ms: 0 });
    tick(2499);
    assert.equal(connection.state.state, "live");
    tick(1);
    assert.equal(connection.state.state, "reconnecting");
    assert.equal(connection.state.reason, "silence");
    connection.close();
});

test("no hello: the handshake ends too", () => {
    const { connection } = start();
    tick(10_000);
    assert.equal(connection.state.state, "reconnecting");
    connection.close();
});

test("stale is told, and ends with a fresh heartbeat only", () => {
    const { connection, told } = start();
    const socket = FakeSocket.last.hello();
    const heartbeat = { type: "heartbeat", epoch: 1, version: 5, checksum: crc32(Uint8Array.of(0)), as_of_ms: 77 };
    socket.json({ ...heartbeat, epoch: 0, version: 0, stale: true });
    assert.deepEqual(connection.state, { state: "stale", asOfMs: 77 });
    socket.snapshot(1, 5, "0000");
    assert.equal(connection.state.state, "stale");
    socket.json(heartbeat);
    assert.deepEqual(
        told.filter((what) => typeof what === "string"),
        ["stale", "live"],
    );
    connection.close();
});

test("a drain says how long to wait", () => {
    const { connection } = start();
    const socket = FakeSocket.last.hello();
    socket.snapshot(1, 5, "0000");
    socket.json({ type: "goodbye", code: 1012, reason: "RESTART", retry_after_ms: 2500 });
    socket.drop(1012);
    assert.deepEqual(connection.state, { state: "reconnecting", attempt: 1, retryInMs: 2750, reason: "RESTART" });
    connection.wake();
    assert.equal(FakeSocket.all.length, 2, "somebody looks: no more waiting");
    tick(60_000);
    connection.close();
});

test("4000-4499 come back, 4500-4999 do not", () => {
    const first = start();
    FakeSocket.last.hello().drop(4002, "FLOOD");
    tick(500);
    assert.equal(FakeSocket.all.length, 2);
    first.connection.close();

    const { connection } = start();
    FakeSocket.last.hello().drop(4500, "EVENT_GONE");
    assert.deepEqual(connection.state, { state: "closed", reason: "EVENT_GONE" });
    tick(120_000);
    assert.equal(FakeSocket.all.length, 1);
});

test("refused again and again: it asks whether there is such an event", async (t) => {
    t.mock.method(globalThis, "fetch", async () => ({ status: 404 }));
    const { connection } = start();
    FakeSocket.last.drop();
    tick(500);
    FakeSocket.last.drop();
    await settled();
    assert.deepEqual(connection.state, { state: "closed", reason: "EVENT_NOT_FOUND" });
});

test("sections are asked for by name", () => {
    const { connection } = start({
        sections: [
            { name: "Box 1", first: 0, count: 2 },
            { name: "Ü&", first: 4, count: 1 },
        ],
    });
    assert.deepEqual(FakeSocket.last.url.searchParams.getAll("section"), ["Box 1", "Ü&"]);
    connection.close();
});

test("closed by a listener it stays closed", () => {
    const heartbeat = { type: "heartbeat", epoch: 1, version: 5, checksum: crc32(Uint8Array.of(0)), as_of_ms: 0 };
    const says = {
        snapshot: (socket) => socket.snapshot(1, 5, "0000"),
        change: (socket) => socket.json({ type: "changes", epoch: 1, after_version: 5, version: 6, held: [1] }),
        state: (socket) => socket.drop(),
    };
    for (const [type, say] of Object.entries(says)) {
        const { connection } = start();
        const socket = FakeSocket.last.hello();
        if (type !== "snapshot") socket.snapshot(1, 5, "0000");
        if (type === "change") socket.json({ ...heartbeat, stale: true });
        connection.on(type, () => connection.close());
        say(socket);
        assert.equal(connection.state.state, "closed", type);
        tick(60_000);
        assert.equal(FakeSocket.all.length, 1, type);
    }
});

test("sections may be given in any order", () => {
    const sections = [
        { name: "B", first: 4, count: 2 },
        { name: "A", first: 0, count: 2 },
    ];
    const { connection } = start({ sections });
    FakeSocket.last.hello().snapshot(1, 5, "0012");
    assert.deepEqual(
        [0, 1, 4, 5].map((seat) => connection.board.get(seat)),
        [0, 0, 1, 2],
    );
    connection.close();
});
