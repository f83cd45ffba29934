import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { FakeSocket } from "../testing/fake_socket.js";
import { clock, settled } from "../testing/runtime.js";
import { House } from "./house.js";
import { take } from "./identity.js";
import { Sale } from "./sale.js";

const token = (claims) => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.x`;
const refused = { error: { code: "UNAUTHENTICATED", reason: "UNAUTHENTICATED", message: "no" } };

/** A sale of four seats over a socket that the test drives. */
function open(identity = null) {
    const seats = Array.from({ length: 4 }, (_, x) => ({ label: `${x}`, price_category: 0, x_cm: x * 50, y_cm: 0 }));
    const rows = [{ label: "1", first_seat: 0, seats }];
    const settings = { hold_ttl_ms: 60_000, seats_per_customer: 2 };
    const event = { event_id: "e", price_categories: [{ name: "one", price_minor: 100 }], sales_settings: settings };
    const sale = new Sale(
        new House(event, { seat_count: 4, sections: [{ name: "A", first_seat: 0, rows }] }),
        identity,
    );
    const socket = FakeSocket.last.hello();
    socket.snapshot(1, 1, "0000");
    return { sale, socket };
}

beforeEach(() => {
    clock.install();
    FakeSocket.all = [];
    globalThis.location = { origin: "http://gate.example" };
    globalThis.WebSocket = FakeSocket;
});

test("seats of an order without an answer were not taken by somebody else", async () => {
    const { sale, socket } = open(take(token({ sub: "alice" })));
    await socket.reply("authenticate", { customer_id: "alice" });
    sale.choose([2, 3]);
    sale.holding.hold();
    socket.drop();
    clock.tick(30_000);
    await settled();
    clock.tick(500);
    await settled();
    const again = FakeSocket.last.hello();
    again.json({ type: "changes", epoch: 1, after_version: 1, version: 2, held: [2, 3] });
    assert.deepEqual([...sale.selection], [2, 3]);
    await again.reply("authenticate", { customer_id: "alice" });
    const ids = [...socket.sent, ...again.sent].filter(({ op }) => op === "reserve").map(({ request_id: id }) => id);
    assert.equal(ids.length, 2);
    assert.equal(new Set(ids).size, 1);
    sale.connection.close();
});

test("a refused sign-in leaves who was there before", async () => {
    const { sale, socket } = open(take(token({ sub: "alice" })));
    await socket.reply("authenticate", { customer_id: "alice" });
    const other = sale.signIn(take(token({ sub: "bob" })));
    await Promise.all([assert.rejects(other), socket.reply("authenticate", refused)]);
    assert.equal(sale.identity.customerId, "alice");
    socket.drop();
    clock.tick(500);
    assert.equal(FakeSocket.last.hello().sent[0].token, token({ sub: "alice" }));
    sale.connection.close();
});

test("a choice that is refused is none", () => {
    const { sale } = open();
    assert.deepEqual(
        [0, 1, 2, 1].map((seat) => sale.toggle(seat)),
        [true, true, false, true],
    );
    sale.connection.close();
});

test("a token lives as long as it says", () => {
    const end = Math.floor(Date.now() / 1000) + 600;
    assert.equal(take(token({ sub: "alice", exp: end })).expiresAtMs, end * 1000 - 60_000);
    assert.equal(take("a.b.c"), null);
});

test("a demo token is renewed before it ends", async (t) => {
    const fresh = token({ sub: "alice", exp: 2 });
    t.mock.method(globalThis, "fetch", async () => ({
        ok: true,
        json: async () => ({ token: fresh, expires_in_s: 600 }),
    }));
    const { sale, socket } = open(take(token({ sub: "alice" }), { lifetimeMs: 70_000, demo: true }));
    await socket.reply("authenticate", { customer_id: "alice" });
    clock.tick(10_001);
    await settled();
    assert.equal(socket.sent.at(-1).token, fresh);
    await socket.reply("authenticate", { customer_id: "alice" });
    assert.equal(sale.identity.token, fresh);
    socket.drop();
    clock.tick(500);
    assert.equal(FakeSocket.last.hello().sent[0].token, fresh);
    sale.connection.close();
});

test("own seats are gathered once for all seats that are drawn", () => {
    const { sale } = open();
    sale.choose([1]);
    const { own } = sale;
    assert.equal(sale.kind(1), 4);
    assert.equal(sale.own, own);
    sale.choose([2]);
    assert.equal(sale.kind(1), 0);
    sale.connection.close();
});
