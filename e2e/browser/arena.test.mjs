// An arena in a flash sale, on a desk and on a phone: pictures to be looked at, and a map that follows.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Gateway, loadEvent, sell } from "./support/system.mjs";
import { DESKTOP, PHONE, Visitor, launch } from "./support/visitor.mjs";

const run = `${Date.now().toString(36)}`;
const TIMEOUT_MS = 240_000;
// As many as programs without optimisation serve on two cores.
const CUSTOMERS = 1_500;
const SALE_S = 30;
/** So much of the house is taken after the sale, at least. */
const TAKEN_MIN = 0.05;

let browser;
let gateway;
let event;

before(async () => {
    [browser, gateway] = await Promise.all([launch(), Gateway.start()]);
    event = await loadEvent(`arena-${run}`, "arena.json", "3s");
});

after(async () => {
    await browser?.close();
    await gateway?.stop();
});

test("the map follows a flash sale and can be looked at on each screen", { timeout: TIMEOUT_MS }, async () => {
    const watcher = await Visitor.arrive(browser, `watcher-${run}`);
    await watcher.open(gateway, event);
    const before = await watcher.page.evaluate(() => window.ticketengine.position);
    await sell(event, CUSTOMERS, SALE_S);
    await watcher.until("what was sold", (start) => window.ticketengine.position.version > start.version + 50, before);
    const [free, seats] = await watcher.page.evaluate(countFree);
    assert.ok(free <= seats * (1 - TAKEN_MIN), `${free} of ${seats} seats are still free`);
    const said = await watcher.by("free-total").textContent();
    assert.match(said, /^[\d,.]+ of [\d,.]+ free$/);
    await watcher.shot("arena-desktop");
    await watcher.leave();

    const screens = { dark: { ...DESKTOP, colorScheme: "dark" }, phone: PHONE, "phone-dark": { ...PHONE, colorScheme: "dark" } };
    for (const [name, device] of Object.entries(screens)) {
        const visitor = await Visitor.arrive(browser, `${name}-${run}`, device);
        await visitor.open(gateway, event);
        await visitor.shot(`arena-${name}`);
        await visitor.by("zoom-in").click();
        await visitor.until("the map at rest", () => !window.ticketengine.seatAt(0).flying);
        await visitor.shot(`arena-${name}-near`);
        await visitor.leave();
    }
});

test("the list of events is a page of its own", { timeout: TIMEOUT_MS }, async () => {
    const visitor = await Visitor.arrive(browser, `list-${run}`);
    await visitor.page.goto(gateway.url);
    await visitor.by(`event-${event}`).waitFor();
    await visitor.shot("events");
    await visitor.by(`event-${event}`).click();
    await visitor.live();
    await visitor.leave();
});

/** In the page: free seats, and all. */
function countFree() {
    const { board, seatCount } = window.ticketengine;
    let free = 0;
    for (let seat = 0; seat < seatCount; seat += 1) free += board.get(seat) === 0 ? 1 : 0;
    return [free, seatCount];
}
