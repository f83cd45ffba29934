// The list of events.

import * as api from "../api.js";
import { counted, moment, price } from "../format.js";
import { h, icon } from "./dom.js";

/** @param {HTMLElement} root */
export async function eventsPage(root) {
    root.replaceChildren(h("div.loading", { role: "status" }, h("i", {}), "Looking what is on …"));
    const events = await api.events();
    const list = events.length
        ? h("ul.events", { testid: "events" }, events.map(entry))
        : h("p.none", {}, "Nothing is on sale yet.");
    root.replaceChildren(
        h(
            "main.list",
            {},
            h("header", {}, h("p.brand", {}, icon("seat"), "TicketEngine"), h("h1", {}, "What would you like to see?")),
            list,
        ),
    );
}

function entry({
    event_id: id,
    name,
    venue_name: venue,
    currency,
    seat_count: seats,
    price_categories: categories,
    ...sale
}) {
    const least = Math.min(...categories.map(({ price_minor: minor }) => minor));
    const [state, text] = saleState(sale);
    return h(
        "li",
        {},
        h(
            "a.event-card",
            { href: `/?event=${encodeURIComponent(id)}`, testid: `event-${id}` },
            h("div.poster", { "data-tone": String(tone(id)), "aria-hidden": "true" }),
            h("div.about", {}, h("h2", {}, name), h("p", {}, `${venue} · ${counted(seats, "seat")}`)),
            h(
                "div.offer",
                {},
                h("span.sale", { "data-state": state }, text),
                h("b", {}, `from ${price(least, currency)}`),
            ),
        ),
    );
}

function saleState({ sales_state: state, sales_settings: { sale_opens_at: opens, sale_closes_at: closes } }) {
    if (state === "closed" || (closes && Date.parse(closes) <= Date.now())) return ["closed", "Sale closed"];
    if (opens && Date.parse(opens) > Date.now()) return ["soon", `From ${moment(opens)}`];
    return ["open", "On sale"];
}

/** One of seven, the same each time. */
function tone(id) {
    return [...id].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 9973, 7) % 7;
}
