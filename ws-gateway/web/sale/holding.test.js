import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Emitter } from "../client/emitter.js";
import { clock, settled } from "../testing/runtime.js";
import { CommandError } from "../client/commands.js";
import { Holding } from "./holding.js";
import { House } from "./house.js";
import { Memory } from "./memory.js";

const held = {
    reservation_id: "e.1.5",
    event_id: "e",
    customer_id: "alice",
    seat_ids: [1, 2],
    state: "held",
    expires_at_ms: 60_000,
    expires_in_ms: 60_000,
    extend_limit_at_ms: 300_000,
    total_minor: 200,
    currency: "EUR",
};
const refused = (reason, more) => Promise.reject(new CommandError({ code: "FAILED_PRECONDITION", reason, ...more }));
const memory = () => new Memory("e", "alice");

/** A sale of six seats in a row, with a connection that answers as it is told to. */
function sale() {
    const seats = Array.from({ length: 6 }, (_, x) => ({
        label: `${x + 1}`,
        price_category: 0,
        x_cm: x * 50,
        y_cm: 0,
    }));
    const layout = {
        seat_count: 6,
        sections: [{ name: "A", first_seat: 0, rows: [{ label: "1", first_seat: 0, seats }] }],
    };
    const event = {
        event_id: "e",
        price_categories: [{ name: "one", price_minor: 100 }],
        sales_settings: { hold_ttl_ms: 60_000 },
    };
    const states = new Array(6).fill(0);
    const connection = Object.assign(new Emitter(), {
        calls: [],
        answers: {},
        call(op, argument) {
            this.calls.push([op, argument]);
            return this.answers[op]();
        },
    });
    for (const op of ["reserve", "extend", "release", "confirm", "follow"]) {
        connection[op] = (...all) => connection.call(op, all.length === 1 ? all[0] : all);
    }
    const one = Object.assign(new Emitter(), {
        event,
        house: new House(event, layout),
        identity: { customerId: "alice" },
        connection,
        states,
        board: { get: (seat) => states[seat] },
        selection: new Set([1, 2]),
        isFree: (seat) => states[seat] === 0,
        choose(list) {
            this.selection = new Set(list);
        },
        say: () => {},
        signOut: () => {},
    });
    connection.answers.reserve = async () => ({ reservation: held, reservation_token: "proof" });
    connection.answers.follow = async () => ({ reservation: held });
    one.holding = new Holding(one);
    return one;
}

beforeEach(() => {
    clock.install();
    for (const { reservationId } of memory().holds) memory().drop(reservationId);
    Object.assign(memory(), { order: null, bookings: [], tab: null });
});

test("a hold is remembered with its proof, and follows after a reload", async () => {
    const first = sale();
    await first.holding.hold();
    assert.equal(first.holding.phase, "held");
    assert.deepEqual([...first.selection], []);
    assert.equal(memory().holds[0].reservationToken, "proof");
    assert.equal(memory().order, null);

    const second = sale();
    await second.holding.restore();
    assert.deepEqual(second.connection.calls, [["follow", ["e.1.5", "proof"]]]);
    assert.deepEqual(second.holding.seats, [1, 2]);
});

test("an order without an answer is repeated by itself as the same order, after a reload too", async () => {
    const first = sale();
    first.connection.answers.reserve = () => refused("NO_ANSWER");
    await first.holding.hold();
    assert.equal(first.holding.phase, "asking", "its seats may be ours");
    assert.match(first.holding.alert.text, /keep asking/);
    clock.tick(500);
    await settled();
    const second = sale();
    await second.holding.restore();
    const orders = [...first.connection.calls, ...second.connection.calls].map(([, { requestId }]) => requestId);
    assert.equal(orders.length, 3);
    assert.equal(new Set(orders).size, 1);
    assert.equal(second.holding.phase, "held");
});

test("after the hold time an order is forgotten", async (t) => {
    const one = sale();
    one.connection.answers.reserve = () => refused("NO_ANSWER");
    await one.holding.hold();
    const later = Date.now() + 61_000;
    t.mock.method(Date, "now", () => later);
    const second = sale();
    await second.holding.restore();
    assert.deepEqual(second.connection.calls, []);
    clock.tick(500);
    await settled();
    assert.equal(one.holding.phase, "pick");
    await one.holding.hold();
    assert.equal(new Set(one.connection.calls.map(([, { requestId }]) => requestId)).size, 2);
});

test("two tabs of one customer: each pays, releases and loses its own hold", async () => {
    const other = { ...held, reservation_id: "e.1.9", seat_ids: [4] };
    const [a, b] = [sale(), sale()];
    b.connection.answers.reserve = async () => ({ reservation: other, reservation_token: "other proof" });
    await a.holding.hold();
    await b.holding.hold([4]);
    a.connection.answers.confirm = async () => ({ booking: { booking_id: "e.1.5", seat_ids: [1, 2] } });
    await a.holding.pay();
    assert.deepEqual(a.connection.calls.at(-1)[1].slice(0, 1), ["e.1.5"]);
    assert.deepEqual(
        memory().holds.map(({ reservationId }) => reservationId),
        ["e.1.9"],
    );
    b.connection.answers.release = async () => ({ reservation: { ...other, state: "released" } });
    await b.holding.release();
    assert.deepEqual(b.connection.calls.at(-1), ["release", ["e.1.9", "other proof"]]);
    assert.equal(b.holding.phase, "pick");
});

test("a refused token keeps the hold, and goes on after a sign-in", async () => {
    for (const op of ["confirm", "extend", "release"]) {
        const one = sale();
        one.signOut = () => (one.identity = null);
        await one.holding.hold();
        one.connection.answers[op] = () => Promise.reject(new CommandError({ code: "UNAUTHENTICATED" }));
        const act = op === "confirm" ? "pay" : op;
        await one.holding[act]();
        assert.equal(one.holding.phase, "held", op);
        assert.equal(one.holding.alert.kind, "sign-in");
        assert.deepEqual(one.holding.seats, [1, 2]);
        one.identity = { customerId: "alice" };
        one.holding.enter("alice");
        one.connection.answers[op] = async () => ({
            booking: { booking_id: "e.1.5", seat_ids: [1, 2] },
            reservation: held,
        });
        one.holding.alert.again();
        await settled();
        assert.equal(one.connection.calls.filter(([name]) => name === op).length, 2);
    }
});

test("another customer has neither the order nor the hold of the one before", async () => {
    const one = sale();
    let answer;
    one.connection.answers.reserve = () => new Promise((resolve) => (answer = resolve));
    const order = one.holding.hold();
    one.holding.enter("bob");
    answer({ reservation: held, reservation_token: "proof" });
    await order;
    one.connection.emit("reservation", held);
    assert.equal(one.holding.phase, "pick");
    assert.deepEqual(new Memory("e", "bob").holds, []);
    assert.equal(memory().holds.length, 1, "still theirs");
    assert.deepEqual([...one.selection], [1, 2], "what is chosen now is not theirs");
});

test("a restore that fails is tried again", async () => {
    await sale().holding.hold();
    const one = sale();
    one.connection.answers.follow = () => refused("NO_ANSWER");
    await one.holding.restore();
    assert.equal(one.holding.phase, "pick");
    one.connection.answers.follow = async () => ({ reservation: held });
    clock.tick(500);
    await settled();
    assert.equal(one.holding.phase, "held");
});

test("a booking that was cancelled elsewhere is no ticket any more", async () => {
    memory().bookings = [
        { booking_id: "e.1.3", seat_ids: [0] },
        { booking_id: "e.1.4", seat_ids: [5] },
    ];
    const one = sale();
    one.connection.answers.follow = async () => {
        const [, [id]] = [null, [one.connection.calls.at(-1)[1]].flat()];
        return { reservation: { ...held, reservation_id: id, state: id === "e.1.3" ? "cancelled" : "booked" } };
    };
    await one.holding.restore();
    assert.deepEqual(
        one.holding.bookings.map(({ booking_id: id }) => id),
        ["e.1.4"],
    );
    assert.equal(one.holding.seatsOwned, 1);
});

test("another choice is another order", async () => {
    const one = sale();
    one.connection.answers.reserve = () => refused("OVERLOADED");
    await one.holding.hold();
    await one.holding.hold([1, 3]);
    const [a, b] = one.connection.calls.map(([, { requestId }]) => requestId);
    assert.notEqual(a, b);
});

test("a lost race names the seat, keeps the others and offers what is free nearby", async () => {
    const one = sale();
    one.states[2] = 1;
    one.connection.answers.reserve = () => refused("SEAT_UNAVAILABLE", { seats: [{ seat_id: 2, state: "held" }] });
    await one.holding.hold();
    assert.equal(one.holding.phase, "pick");
    assert.deepEqual([...one.selection], [1]);
    assert.match(one.holding.alert.text, /A, row 1, seat 3 was taken/);
    assert.deepEqual(one.holding.alert.groups[0].seats, [0, 1]);
    assert.equal(memory().order, null);
});

test("the gateway says that the hold has ended", async () => {
    const one = sale();
    await one.holding.hold();
    one.connection.emit("reservation", { ...held, reservation_id: "e.1.4", state: "expired" });
    assert.equal(one.holding.phase, "held", "that was another one");
    one.connection.emit("reservation", { ...held, state: "expired" });
    assert.equal(one.holding.phase, "pick");
    assert.match(one.holding.alert.text, /ended/);
    assert.deepEqual(memory().holds, []);
});

test("should the gateway not say so, it is asked", async () => {
    const one = sale();
    await one.holding.hold();
    one.connection.answers.follow = async () => ({ reservation: { ...held, state: "expired" } });
    clock.tick(61_499);
    assert.equal(one.connection.calls.length, 1);
    clock.tick(1000);
    await settled();
    assert.equal(one.holding.phase, "pick");
});

test("each try to pay has the same reference, and the booking is kept once", async () => {
    const one = sale();
    await one.holding.hold();
    one.connection.answers.confirm = () => refused("NO_ANSWER");
    await one.holding.pay();
    assert.equal(one.holding.phase, "held");
    one.connection.answers.confirm = async () => ({ booking: { booking_id: "e.1.5", seat_ids: [1, 2] } });
    await one.holding.pay();
    const [first, second] = one.connection.calls
        .filter(([op]) => op === "confirm")
        .map(([, [, reference]]) => reference);
    assert.equal(first, second);
    one.connection.emit("reservation", { ...held, state: "booked" });
    assert.equal(one.holding.phase, "booked");
    assert.deepEqual(
        one.holding.bookings.map(({ booking_id: id }) => id),
        ["e.1.5"],
    );
    assert.equal(one.holding.seatsOwned, 2);
});

test("an extension brings a new proof", async () => {
    const one = sale();
    await one.holding.hold();
    one.connection.answers.extend = async () => ({ reservation: held, reservation_token: "newer" });
    await one.holding.extend();
    assert.equal(memory().holds[0].reservationToken, "newer");
});
