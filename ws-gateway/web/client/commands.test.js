import assert from "node:assert/strict";
import { test } from "node:test";
import { COMMAND_MS_MAX, IN_FLIGHT_MAX, WAITING_MAX } from "./commands.js";
import { FakeSocket, start } from "../testing/fake_socket.js";
import { clock, settled } from "../testing/runtime.js";

const tick = (ms) => clock.tick(ms);
const held = { reservation_id: "e.1.5", seat_ids: [1], state: "held", expires_in_ms: 60_000 };
const ops = (socket) => socket.sent.map(({ op }) => op);
const refused = (reason) => (error) => error.reason === reason;

test("a command goes out once the customer is known", async () => {
    const { connection } = start({ token: "t" });
    const order = connection.reserve({ seats: [1], requestId: "r1" });
    const socket = FakeSocket.last.hello();
    assert.deepEqual(ops(socket), ["authenticate"]);
    await socket.reply("authenticate", { customer_id: "alice" });
    assert.deepEqual(socket.sent[1], { op: "reserve", id: socket.sent[1].id, request_id: "r1", seat_ids: [1] });
    await socket.reply("reserve", { reservation: held, reservation_token: "proof" });
    assert.deepEqual(await order, { reservation: held, reservation_token: "proof" });
    connection.close();
});

test("without an answer it is sent again after a reconnect, with the same request id", async () => {
    const { connection } = start({ token: "t" });
    let socket = FakeSocket.last.hello();
    await socket.reply("authenticate", {});
    const order = connection.reserve({ seats: [1], requestId: "r1" });
    const [[, first], [, trace]] = [socket.sent, socket.traces];
    socket.drop();
    tick(500);
    socket = FakeSocket.last.hello();
    assert.deepEqual(ops(socket), ["authenticate"]);
    await socket.reply("authenticate", {});
    assert.deepEqual(socket.sent[1], first);
    assert.equal(socket.traces[1], trace, "a repeat belongs to the trace of the first");
    assert.match(trace, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    assert.notEqual(socket.traces[0], trace);
    await socket.reply("reserve", { reservation: held, reservation_token: "proof" });
    assert.equal((await order).reservation.reservation_id, "e.1.5");
    connection.close();
});

test("own reservations are followed again after a reconnect, until they end", async () => {
    const { connection, told } = start({ token: "t" });
    let socket = FakeSocket.last.hello();
    await socket.reply("authenticate", {});
    connection.reserve({ seats: [1] });
    await socket.reply("reserve", { reservation: held, reservation_token: "proof" });
    socket.drop();
    tick(500);
    socket = FakeSocket.last.hello();
    await socket.reply("authenticate", {});
    const follow = socket.sent.find(({ op }) => op === "follow");
    assert.deepEqual(follow, { op: "follow", id: follow.id, reservation_id: "e.1.5", reservation_token: "proof" });
    await socket.reply("follow", { reservation: { ...held, state: "expired" } });
    assert.deepEqual(told.at(-1), ["reservation", { ...held, state: "expired" }]);
    socket.drop();
    tick(1000);
    socket = FakeSocket.last.hello();
    await socket.reply("authenticate", {});
    assert.deepEqual(ops(socket), ["authenticate"]);
    connection.close();
});

test("a refusal keeps its reason, seats and delay", async () => {
    const { connection } = start();
    const socket = FakeSocket.last.hello();
    await settled();
    const order = connection.reserve({ seats: [1, 2] });
    const seats = [{ seat_id: 2, state: "sold" }];
    const error = {
        code: "FAILED_PRECONDITION",
        reason: "SEAT_UNAVAILABLE",
        message: "taken",
        retry_after_ms: 9,
        seats,
    };
    await Promise.all([
        assert.rejects(order, {
            code: "FAILED_PRECONDITION",
            reason: "SEAT_UNAVAILABLE",
            message: "taken",
            retryAfterMs: 9,
            seats,
        }),
        socket.reply("reserve", { error }),
    ]);
    connection.close();
});

test('"later" is repeated within bounds', async () => {
    const { connection } = start();
    const socket = FakeSocket.last.hello();
    await settled();
    const later = { error: { code: "UNAVAILABLE", reason: "OVERLOADED", message: "later", retry_after_ms: 100 } };
    const order = connection.reserve({ seats: [1] });
    const outcome = assert.rejects(order, refused("OVERLOADED"));
    for (let sent = 1; sent <= 6; sent += 1) {
        assert.equal(socket.sent.length, sent);
        await socket.reply("reserve", later);
        tick(149);
    }
    await outcome;
    tick(1000);
    assert.equal(socket.sent.length, 6);

    const patient = connection.reserve({ seats: [1] });
    const told = assert.rejects(patient, refused("GATE_REBUILDING"));
    await socket.reply("reserve", {
        error: { code: "UNAVAILABLE", reason: "GATE_REBUILDING", retry_after_ms: 60_000 },
    });
    await told;
    connection.close();
});

test("at most four are in flight, and not many wait", async () => {
    const { connection } = start();
    const socket = FakeSocket.last.hello();
    await settled();
    const outcomes = Array.from({ length: WAITING_MAX + 1 }, (_, seat) => connection.reserve({ seats: [seat] }));
    await assert.rejects(outcomes.pop(), refused("OVERLOADED"));
    assert.equal(socket.sent.length, IN_FLIGHT_MAX);
    socket.json({ type: "reply", id: socket.sent[0].id, reservation: held, reservation_token: "" });
    assert.equal(socket.sent.length, IN_FLIGHT_MAX + 1);
    connection.close();
    const ends = await Promise.allSettled(outcomes);
    assert.ok(ends.slice(1).every(({ reason }) => reason.reason === "CLOSED"));
});

test("no answer at all ends too", async () => {
    const { connection } = start();
    const outcome = assert.rejects(connection.reserve({ seats: [1] }), refused("NO_ANSWER"));
    tick(COMMAND_MS_MAX);
    await outcome;
    connection.close();
});

test("a refused token is told, and watching goes on", async () => {
    const { connection, told } = start({ token: "t" });
    const socket = FakeSocket.last.hello();
    socket.snapshot(1, 1, "0");
    await socket.reply("authenticate", {
        error: { code: "UNAUTHENTICATED", reason: "UNAUTHENTICATED", message: "no" },
    });
    assert.equal(told.at(-1)[0], "unauthenticated");
    assert.equal(connection.state.state, "live");
    connection.close();
});

test("many that wait keep nobody from being known again", async () => {
    const { connection, told } = start({ token: "t" });
    const waiting = Array.from({ length: WAITING_MAX }, (_, seat) => connection.reserve({ seats: [seat] }));
    const socket = FakeSocket.last.hello();
    await settled();
    assert.deepEqual(ops(socket), ["authenticate"]);
    assert.ok(!told.some(([type]) => type === "unauthenticated"));
    connection.close();
    await Promise.allSettled(waiting);
});

test("a token that was not refused is tried again over another socket", async () => {
    const { connection, told } = start({ token: "t" });
    let socket = FakeSocket.last.hello();
    await socket.reply("authenticate", { error: { code: "UNAVAILABLE", reason: "OVERLOADED", message: "later" } });
    assert.equal(connection.state.reason, "not authenticated");
    assert.equal(told.filter(([type]) => type === "unauthenticated").length, 0);
    tick(500);
    socket = FakeSocket.last.hello();
    assert.equal(socket.sent[0].token, "t");
    connection.close();
});
