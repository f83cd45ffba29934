import assert from "node:assert/strict";
import { test } from "node:test";
import { House } from "../sale/house.js";
import { Camera } from "./camera.js";
import { Grid } from "./grid.js";
import { step } from "./steps.js";

/** A section before the stage, and one beside it whose rows run away from the stage. */
function house() {
    const seats = (place) =>
        [0, 1, 2].map((seat) => {
            const [x_cm, y_cm] = place(seat);
            return { label: `${seat + 1}`, price_category: 0, x_cm, y_cm };
        });
    const row = (label, first, place) => ({ label, first_seat: first, seats: seats(place) });
    const sections = [
        {
            name: "A",
            first_seat: 0,
            rows: [row("1", 0, (seat) => [seat * 50, 0]), row("2", 3, (seat) => [seat * 50, 90])],
        },
        {
            name: "B",
            first_seat: 6,
            rows: [row("1", 6, (seat) => [300, seat * 50]), row("2", 9, (seat) => [390, seat * 50])],
        },
    ];
    return new House({ price_categories: [{ name: "one", price_minor: 1 }] }, { seat_count: 12, sections });
}

test("arrows lead to the next seat as the eye sees it, over aisles and into sections that are turned", () => {
    const plan = house();
    const grid = new Grid(plan);
    const walk = (seat, ...keys) => keys.reduce((at, key) => step(plan, grid, at, key), seat);
    assert.equal(walk(0, "ArrowRight"), 1);
    assert.equal(walk(0, "ArrowDown", "ArrowRight"), 4);
    assert.equal(walk(2, "ArrowRight"), 6);
    assert.equal(walk(6, "ArrowRight"), 9);
    assert.equal(walk(6, "ArrowDown"), 7);
    assert.equal(walk(0, "ArrowLeft"), 0, "the end of the house");
    assert.equal(walk(4, "Home"), 3);
    assert.equal(walk(4, "End"), 5);
    assert.equal(walk(4, "PageDown"), 7);
    assert.equal(walk(4, "PageUp"), 7);
    assert.equal(step(plan, grid, 4, "a"), undefined);
});

test("the nearest seat within reach", () => {
    const grid = new Grid(house());
    assert.equal(grid.nearest(60, 10, 25), 1);
    assert.equal(grid.nearest(180, 45, 25), -1);
    assert.equal(grid.nearest(-5000, 0, 25), -1);
});

test("what is under the pointer stays there while it zooms, and the house can not be lost", () => {
    const camera = new Camera(50, { left: 0, top: 0, right: 4000, bottom: 2000 });
    Object.assign(camera, { width: 800, height: 600, still: true });
    camera.jumpTo(camera.whole);
    const before = camera.toHouse(300, 200);
    camera.zoomAt(300, 200, 2);
    const after = camera.toHouse(300, 200);
    assert.ok(Math.hypot(before.x - after.x, before.y - after.y) < 1e-6);
    camera.pan(1e6, -1e6);
    const middle = camera.toHouse(400, 300);
    assert.ok(middle.x >= -1e-6 && middle.x <= 4000 && middle.y >= 0 && middle.y <= 2000 + 1e-6);
    camera.zoomAt(400, 300, 1e6);
    assert.ok(Math.abs(camera.pitch - 58) < 1e-6);
});
