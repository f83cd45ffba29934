// What colours and marks mean, and which prices to look for.

import { number, price } from "../format.js";
import { Kind } from "../map/glyphs.js";
import { CATEGORY_COLOURS } from "../map/palette.js";
import { h } from "./dom.js";
import { glyph } from "./glyph.js";

const EXAMPLE = { colour: CATEGORY_COLOURS[4], dotted: false };
const MARKS = [
    [Kind.FREE, "Free"],
    [Kind.SELECTED, "Chosen"],
    [Kind.MINE, "Held for you"],
    [Kind.BOOKED, "Yours"],
    [Kind.HELD, "Held by others"],
    [Kind.SOLD, "Sold"],
    [Kind.BLOCKED, "Not for sale"],
];

/**
 * Prices as switches: those that are on stand out on the map.
 * @param {import("../sale/sale.js").Sale} sale
 * @param {Map<number, any>} looks of the categories
 * @param {{compact?: boolean}} [options] without names
 */
export function prices(sale, looks, { compact = false } = {}) {
    const { house, event } = sale;
    const counts = new Map();
    const buttons = house.categories.map(({ index, name, price: minor }) => {
        const amount = price(minor, event.currency);
        const count = h("span.count");
        counts.set(index, count);
        return h(
            compact ? "button.chip" : "button.price",
            {
                type: "button",
                testid: compact ? `price-chip-${index}` : `price-${index}`,
                "aria-pressed": "false",
                title: `Show ${name} only`,
                onclick: () => sale.toggleCategory(index),
            },
            glyph(Kind.FREE, looks.get(index)),
            compact ? h("span.sr", {}, `${name} `) : h("span.name", {}, name),
            compact ? null : count,
            h("span.amount", {}, amount),
        );
    });
    const element = h(
        compact ? "div.chips" : "div.prices",
        { role: "group", "aria-label": "Show only these prices" },
        buttons,
    );
    sale.on("update", () => {
        const some = sale.wanted.size > 0;
        element.classList.toggle("filtered", some);
        for (const [at, { index }] of house.categories.entries()) {
            buttons[at].setAttribute("aria-pressed", String(sale.wanted.has(index)));
        }
    });
    if (!compact)
        sale.on(
            "counts",
            everySecond(() => count(sale, counts)),
        );
    return element;
}

function count({ house, board }, counts) {
    const free = new Map();
    for (let seat = 0; seat < house.seatCount; seat += 1) {
        if (board.get(seat) === 0) free.set(house.category[seat], (free.get(house.category[seat]) ?? 0) + 1);
    }
    for (const [category, element] of counts) element.textContent = `${number(free.get(category) ?? 0)} free`;
}

/** At once, then at most once a second: it walks all seats. */
function everySecond(act) {
    let timer = null;
    let again = false;
    const run = () => {
        act();
        again = false;
        timer = setTimeout(() => {
            timer = null;
            if (again) run();
        }, 1000);
    };
    return () => {
        if (timer === null) run();
        else again = true;
    };
}

/** What each mark means. */
export function key() {
    const entries = MARKS.map(([kind, name]) => h("li", {}, glyph(kind, EXAMPLE), name));
    entries.push(h("li", {}, glyph(Kind.FREE, EXAMPLE, true), "Accessible"));
    return h("ul.key", { "aria-label": "What the marks mean" }, entries);
}
