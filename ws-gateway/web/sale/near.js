// What is free nearby: groups of seats side by side, the nearest to what was wanted.

/** Suggestions at a time. */
const SUGGESTIONS_MAX = 3;
/** Another section is as bad as so many seat widths further away, another price too. */
const OTHER_SECTION_WIDTHS = 25;
const OTHER_PRICE_WIDTHS = 60;
/** Seats apart from each other, rather than side by side, cost so many seat widths each. */
const APART_WIDTHS = 12;

/** @typedef {{seats: number[], together: boolean, cost: number}} Group */

/**
 * Groups as large as what was wanted, of the same section and price where there are any.
 * @param {import("./house.js").House} house
 * @param {(seat: number) => boolean} free
 * @param {number[]} wanted seats
 * @returns {Group[]} the best first, without a seat in two of them
 */
export function nearby(house, free, wanted) {
    const { pitch } = house;
    const centre = middle(house, wanted);
    const sections = new Set(wanted.map((seat) => house.section(seat).index));
    const categories = new Set(wanted.map((seat) => house.category[seat]));
    const cost = (seat) => {
        const section = sections.has(house.section(seat).index) ? 0 : OTHER_SECTION_WIDTHS * pitch;
        const price = categories.has(house.category[seat]) ? 0 : OTHER_PRICE_WIDTHS * pitch;
        return Math.hypot(house.x[seat] - centre.x, house.y[seat] - centre.y) + section + price;
    };
    const groups = adjacentGroups(house, free, wanted.length, cost);
    const apart = scattered(house, free, wanted.length, cost);
    if (apart) groups.push(apart);
    return distinct(groups);
}

/**
 * The best seats side by side, by their way to the middle of the stage.
 * @param {import("./house.js").House} house
 * @param {(seat: number) => boolean} free of those that may be suggested
 * @param {number} count
 * @returns {Group[]}
 */
export function best(house, free, count) {
    const cost = (seat) => Math.hypot(house.x[seat], house.y[seat]);
    return distinct(adjacentGroups(house, free, count, cost));
}

function adjacentGroups(house, free, count, cost) {
    const groups = [];
    for (const { first, count: length } of house.rows) {
        let run = [];
        for (let seat = first; seat < first + length; seat += 1) {
            if (!free(seat)) run = [];
            else if (run.length && !house.adjacent(run.at(-1), seat)) run = [seat];
            else run.push(seat);
            if (run.length > count) run.shift();
            if (run.length === count) groups.push(group(run, true, cost));
        }
    }
    return groups;
}

/** The nearest ones, wherever each is. */
function scattered(house, free, count, cost) {
    const seats = [];
    for (let seat = 0; seat < house.seatCount; seat += 1) if (free(seat)) seats.push([cost(seat), seat]);
    if (count < 2 || seats.length < count) return null;
    seats.sort(([a], [b]) => a - b);
    const nearest = seats
        .slice(0, count)
        .map(([, seat]) => seat)
        .sort((a, b) => a - b);
    const together = nearest.every((seat, index) => index === 0 || house.adjacent(nearest[index - 1], seat));
    const { cost: plain } = group(nearest, together, cost);
    return { seats: nearest, together, cost: plain + (together ? 0 : APART_WIDTHS * house.pitch * count) };
}

function group(seats, together, cost) {
    return { seats: [...seats], together, cost: seats.reduce((sum, seat) => sum + cost(seat), 0) / seats.length };
}

function middle({ x, y }, seats) {
    const mean = (values) => seats.reduce((sum, seat) => sum + values[seat], 0) / seats.length;
    return { x: mean(x), y: mean(y) };
}

function distinct(groups) {
    const taken = new Set();
    const chosen = [];
    for (const one of groups.sort((a, b) => a.cost - b.cost)) {
        if (one.seats.some((seat) => taken.has(seat))) continue;
        one.seats.forEach((seat) => taken.add(seat));
        if (chosen.push(one) === SUGGESTIONS_MAX) break;
    }
    return chosen;
}
