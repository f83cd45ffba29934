// The gateway goes away and comes back: it is seen, and nothing is lost.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Gateway, loadEvent } from "./support/system.mjs";
import { Visitor, launch } from "./support/visitor.mjs";

const run = `${Date.now().toString(36)}`;
const TIMEOUT_MS = 120_000;

let browser;
let gateways;

before(async () => {
    browser = await launch();
    gateways = await Promise.all([Gateway.start(), Gateway.start()]);
});

after(async () => {
    await browser?.close();
    await Promise.all((gateways ?? []).map((gateway) => gateway.stop()));
});

for (const [way, end] of [["killed", (gateway) => gateway.kill()], ["stopped", (gateway) => gateway.stop()]]) {
    test(`a gateway that is ${way} is missed, and its return heals the page`, { timeout: TIMEOUT_MS }, async () => {
        const [lost, other] = gateways;
        const event = await loadEvent(`${way}-${run}`, "theatre.json");
        const visitor = await Visitor.arrive(browser, `${way}-${run}`);
        const elsewhere = await Visitor.arrive(browser, `${way}-elsewhere-${run}`);
        await Promise.all([visitor.open(lost, event), elsewhere.open(other, event)]);
        await visitor.pick(30);
        await visitor.hold();

        await end(lost);
        await visitor.until("told that it reconnects", () => window.ticketengine.connection.state === "reconnecting");
        await visitor.by("banner").waitFor();
        await visitor.shot(`gateway-${way}`);
        // What happens meanwhile is not lost.
        await elsewhere.pick(50);
        await elsewhere.hold();
        await lost.start();
        await visitor.live();
        await visitor.sees(50, 1);
        await visitor.by("banner").waitFor({ state: "hidden" });
        assert.equal(await visitor.page.evaluate(() => window.ticketengine.phase), "held", "its own hold is still there");
        await visitor.pay();
        await elsewhere.sees(30, 2);
        await Promise.all([visitor.leave(), elsewhere.leave()]);
    });
}
