import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeSocket, start } from "../testing/fake_socket.js";
import { settled } from "../testing/runtime.js";

test("a page over plain http reserves too: it has no randomUUID", async (t) => {
    t.mock.method(crypto, "randomUUID", () => assert.fail("in a secure context only"));
    const { connection } = start();
    const socket = FakeSocket.last.hello();
    await settled();
    for (const seat of [1, 2]) connection.reserve({ seats: [seat] }).catch(() => {});
    const [first, second] = socket.sent.map(({ request_id: id }) => id);
    assert.match(first, /^[0-9a-f]{32}$/);
    assert.notEqual(first, second);
    connection.close();
});
