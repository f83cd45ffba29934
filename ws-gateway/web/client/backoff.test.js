import assert from "node:assert/strict";
import { test } from "node:test";
import { ASKED_MS_MAX, Backoff, CAP_MS } from "./backoff.js";

test("waits double up to the cap, and any part of them may be taken", () => {
    const longest = new Backoff(() => 1);
    const waits = Array.from({ length: 9 }, () => longest.next());
    assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16_000, CAP_MS, CAP_MS, CAP_MS]);
    longest.reset();
    assert.equal(longest.next(), 500);
    assert.equal(new Backoff(() => 0).next(), 0);
});

test("what the server asks for is the least, within a bound", () => {
    const backoff = new Backoff(() => 0.5);
    assert.equal(backoff.next(2500), 2750);
    assert.equal(backoff.next(10 * ASKED_MS_MAX), ASKED_MS_MAX + 500);
    assert.equal(backoff.next(-1), 1000);
});
