import assert from "node:assert/strict";
import { test } from "node:test";
import { House } from "./house.js";
import { best, nearby } from "./near.js";

/** Two sections of two rows with six seats, with an aisle after the third; the second section is dearer. */
function house() {
    const row = (label, first, y, category) => ({
        label,
        first_seat: first,
        seats: Array.from({ length: 6 }, (_, seat) => ({
            label: `${seat + 1}`,
            price_category: category,
            x_cm: seat * 50 + (seat > 2 ? 100 : 0),
            y_cm: y,
        })),
    });
    const sections = [
        { name: "A", first_seat: 0, rows: [row("1", 0, 100, 0), row("2", 6, 200, 0)] },
        { name: "B", first_seat: 12, rows: [row("1", 12, 300, 1), row("2", 18, 400, 1)] },
    ];
    const event = {
        price_categories: [
            { name: "low", price_minor: 100 },
            { name: "high", price_minor: 300 },
        ],
    };
    return new House(event, { seat_count: 24, sections });
}

const not =
    (...taken) =>
    (seat) =>
        !taken.includes(seat);
const seats = (groups) => groups.map((group) => group.seats);

test("an aisle parts neighbours, the end of a row too", () => {
    const { adjacent } = { adjacent: (a, b) => house().adjacent(a, b) };
    assert.deepEqual(
        [
            [0, 1],
            [2, 3],
            [5, 6],
            [0, 2],
            [4, 3],
        ].map(([a, b]) => adjacent(a, b)),
        [true, false, false, false, true],
    );
});

test("the nearest group of the same size, each seat in one suggestion only", () => {
    assert.deepEqual(seats(nearby(house(), not(0), [0, 1])), [
        [1, 2],
        [6, 7],
        [3, 4],
    ]);
});

test("the same section and price before what is nearer elsewhere", () => {
    const [first] = nearby(house(), (seat) => [0, 1, 13, 14].includes(seat), [7, 8]);
    assert.deepEqual(first.seats, [0, 1]);
});

test("where none are side by side, the nearest apart", () => {
    const found = nearby(house(), (seat) => [0, 2, 4].includes(seat), [1, 2]);
    assert.deepEqual(
        found.map(({ seats, together }) => [seats, together]),
        [[[0, 2], false]],
    );
    assert.deepEqual(
        nearby(house(), () => false, [1]),
        [],
    );
});

test("the best are those before the stage", () => {
    assert.deepEqual(best(house(), not(0, 1), 3)[0].seats, [6, 7, 8]);
});

test("seats are named by row, for people", () => {
    assert.equal(house().names([2, 0, 1, 7]), "A, row 1, seats 1–3; A, row 2, seat 2");
    assert.equal(house().names([0, 2]), "A, row 1, seats 1, 3");
    assert.equal(house().name(13), "B, row 1, seat 2");
});
