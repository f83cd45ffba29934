// Two people want the same seats, and what each of them is told.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Gateway, loadEvent } from "./support/system.mjs";
import { PHONE, Visitor, launch } from "./support/visitor.mjs";

const run = `${Date.now().toString(36)}`;
const TIMEOUT_MS = 120_000;
/** So long a hold lasts where its end is waited for. */
const SHORT_TTL = "4s";

let browser;
let gateway;

before(async () => {
    [browser, gateway] = await Promise.all([launch(), Gateway.start()]);
});

after(async () => {
    await browser?.close();
    await gateway?.stop();
});

test("two race for a seat: one wins and buys, the other is told kindly and takes what is nearby", { timeout: TIMEOUT_MS }, async () => {
    const event = await loadEvent(`race-${run}`, "theatre.json");
    const visitors = await Promise.all(["ann", "bob"].map((name) => Visitor.arrive(browser, `${name}-${run}`)));
    for (const visitor of visitors) {
        await visitor.open(gateway, event);
        await visitor.pick(40);
        await visitor.pick(41);
    }
    // At the same moment. The slower of two quick clicks may find the seats gone, and with them the button.
    await Promise.all(visitors.map(({ page }) => page.evaluate(() => document.querySelector("[data-testid=hold]")?.click())));
    const phases = await Promise.all(visitors.map(async (visitor) => {
        await visitor.until("an answer", () => window.ticketengine.phase === "held" || document.querySelector("[data-testid=alert]"));
        return visitor.page.evaluate(() => window.ticketengine.phase);
    }));
    assert.deepEqual([...phases].sort(), ["held", "pick"], "one wins");
    const [winner, loser] = phases[0] === "held" ? visitors : [...visitors].reverse();

    const alert = await loser.by("alert").textContent();
    assert.match(alert, /faster|taken|gone/i);
    await loser.sees(40, 1);
    await loser.shot("race-lost");
    await loser.by("take-0").click();
    await loser.phase("held");

    await winner.by("countdown").waitFor();
    await winner.shot("race-held");
    await winner.pay();
    await loser.sees(40, 2);
    await loser.sees(41, 2);
    await winner.shot("race-booked");
    await Promise.all(visitors.map((visitor) => visitor.leave()));
});

test("a seat that somebody takes changes while others look", { timeout: TIMEOUT_MS }, async () => {
    const event = await loadEvent(`watch-${run}`, "theatre.json");
    const [buyer, watcher] = await Promise.all(["buyer", "watcher"].map((name) => Visitor.arrive(browser, `${name}-${run}`)));
    await Promise.all([buyer.open(gateway, event), watcher.open(gateway, event)]);
    await buyer.pick(100);
    await buyer.hold();
    await watcher.sees(100, 1);
    await buyer.by("release").click();
    await watcher.sees(100, 0);
    await buyer.phase("pick");
    await Promise.all([buyer.leave(), watcher.leave()]);
});

test("a hold ends on the screen, and its seats are free again", { timeout: TIMEOUT_MS }, async () => {
    const event = await loadEvent(`ends-${run}`, "theatre.json", SHORT_TTL);
    const visitor = await Visitor.arrive(browser, `late-${run}`);
    await visitor.open(gateway, event);
    await visitor.pick(10);
    await visitor.hold();
    const first = await visitor.by("countdown").textContent();
    await visitor.until("a clock that runs", (before) => {
        const clock = document.querySelector("[data-testid=countdown]");
        return clock && clock.textContent !== before;
    }, first);
    await visitor.phase("pick");
    assert.match(await visitor.by("alert").textContent(), /ended/i);
    await visitor.sees(10, 0);
    await visitor.shot("hold-ended");
    await visitor.leave();
});

test("a reload keeps the hold, and the booking", { timeout: TIMEOUT_MS }, async () => {
    const event = await loadEvent(`reload-${run}`, "theatre.json");
    const visitor = await Visitor.arrive(browser, `again-${run}`);
    await visitor.open(gateway, event);
    await visitor.pick(20);
    await visitor.pick(21);
    await visitor.hold();
    await visitor.page.reload();
    await visitor.phase("held");
    assert.equal(await visitor.by("chosen-seats").locator("li").count(), 2);
    await visitor.pay();
    const booking = await visitor.by("booking-id").first().textContent();
    await visitor.page.reload();
    await visitor.live();
    assert.equal(await visitor.by("booking-id").first().textContent(), booking);
    await visitor.leave();
});

test("keys alone lead from the map to a ticket", { timeout: TIMEOUT_MS }, async () => {
    const event = await loadEvent(`keys-${run}`, "theatre.json");
    const visitor = await Visitor.arrive(browser, `keys-${run}`);
    await visitor.open(gateway, event);
    const { keyboard } = visitor.page;
    await tabTo(visitor, "seat-map");
    for (const key of ["ArrowRight", "ArrowDown", "ArrowRight"]) await keyboard.press(key);
    await keyboard.press("Enter");
    await visitor.until("a seat chosen by key", () => window.ticketengine.selection.length === 1);
    await tabTo(visitor, "hold");
    await keyboard.press("Enter");
    await visitor.phase("held");
    await tabTo(visitor, "pay");
    await keyboard.press("Enter");
    await visitor.phase("paying");
    await tabTo(visitor, "confirm");
    await keyboard.press("Enter");
    await visitor.phase("booked");
    await visitor.leave();
});

test("the whole way on a phone, with the finger", { timeout: TIMEOUT_MS }, async () => {
    const event = await loadEvent(`phone-${run}`, "theatre.json");
    const visitor = await Visitor.arrive(browser, `phone-${run}`, PHONE);
    await visitor.open(gateway, event);
    await visitor.shot("phone-map");
    await visitor.pick(60);
    await visitor.shot("phone-chosen");
    await visitor.by("hold").tap();
    await visitor.phase("held");
    await visitor.shot("phone-held");
    await visitor.by("pay").tap();
    await visitor.by("confirm").tap();
    await visitor.phase("booked");
    await visitor.shot("phone-booked");
    const wide = await visitor.page.evaluate(() => document.scrollingElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `the page is ${wide} px too wide for a phone`);
    await visitor.leave();
});

/** Presses Tab until the element has the focus. */
async function tabTo(visitor, id) {
    for (let presses = 0; presses < 80; presses += 1) {
        const focused = await visitor.page.evaluate(() => document.activeElement?.dataset.testid);
        if (focused === id) return;
        await visitor.page.keyboard.press("Tab");
    }
    assert.fail(`Tab never leads to ${id}`);
}
