import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { installPage } from "../testing/fake_page.js";
import { fill, h } from "./dom.js";
import { tick } from "./held.js";

beforeEach(installPage);

const card = (testid, disabled) => [h("h2", {}, "Order"), h("button", { testid, disabled }, "Go")];
const focused = () => document.activeElement.dataset.testid ?? document.activeElement.tag;

test("the focus stays on its button; where that is gone or disabled, it goes to the heading", () => {
    const parent = h("section");
    fill(parent, card("hold"));
    assert.equal(focused(), "body", "nobody asked for it");
    parent.querySelector("button").focus();
    fill(parent, card("hold"));
    assert.equal(focused(), "hold");
    fill(parent, card("hold", true));
    assert.equal(focused(), "h2");
    fill(parent, card("pay"));
    assert.equal(focused(), "h2");
});

test("the clock of a hold shows its part of the whole hold time", () => {
    const clock = h("div.countdown", {}, h("div.bar", {}, h("i", {})), h("strong.clock", {}));
    tick(clock, { remainingMs: 15_000, wholeMs: 60_000 });
    assert.equal(clock.querySelector(".clock").textContent, "0:15");
    assert.equal(clock.querySelector(".bar i").style.transform, "scaleX(0.25)");
    tick(clock, { remainingMs: 0, wholeMs: 60_000 });
    assert.match(clock.querySelector(".clock").textContent, /ending/);
});
