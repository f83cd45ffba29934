// The order while seats are chosen: what is chosen, what it costs, and help with finding seats.

import { counted, duration, moment, price } from "../format.js";
import { Kind } from "../map/glyphs.js";
import { best } from "../sale/near.js";
import { h, icon } from "./dom.js";
import { glyph } from "./glyph.js";

/**
 * @param {import("../sale/sale.js").Sale} sale
 * @param {Map<number, any>} looks
 * @param {{show: (seats: number[]) => void, hold: () => void, party: {size: number}, redraw: () => void}} page
 * @returns {Node[]}
 */
export function picking(sale, looks, page) {
    const { saleState } = sale;
    if (saleState === "closed") return [heading("The sale is closed", "You can look around, and see what is left.")];
    if (saleState === "soon") return soon(sale);
    return sale.selection.size ? chosen(sale, looks, page) : empty(sale, page);
}

function heading(title, text) {
    return h("div.heading", {}, h("h2", {}, title), text ? h("p", {}, text) : null);
}

function soon(sale) {
    const opens = sale.event.sales_settings.sale_opens_at;
    const left = Date.parse(opens) - Date.now();
    const clock = h(
        "strong.clock",
        { testid: "opens-in", role: "timer", "data-until": String(Date.parse(opens)) },
        duration(left),
    );
    return [h("div.opening", {}, h("p", {}, "The sale opens in"), clock, h("p", {}, moment(opens)))];
}

function empty(sale, page) {
    const { left, limit } = sale;
    if (left === 0) return [heading("You have all your seats", `One customer can have ${limit} for this event.`)];
    const party = page.party;
    party.size = Math.min(party.size, left);
    const change = (by) => {
        party.size = Math.min(left, Math.max(1, party.size + by));
        page.redraw();
    };
    const find = () => {
        const [group] = best(sale.house, (seat) => sale.isFree(seat) && sale.isWanted(seat), party.size);
        if (!group)
            return sale.say(`No ${party.size} free seats side by side${sale.wanted.size ? " at these prices" : ""}.`);
        sale.choose(group.seats);
        page.show(group.seats);
        sale.say(`The best we found: ${sale.house.names(group.seats)}.`, "quiet");
    };
    return [
        heading("Choose your seats", `Tap seats on the map, up to ${left}, or let us find some.`),
        h(
            "div.finder",
            {},
            h(
                "div.stepper",
                { role: "group", "aria-label": "How many seats" },
                h(
                    "button.round",
                    {
                        type: "button",
                        testid: "fewer",
                        "aria-label": "Fewer",
                        disabled: party.size <= 1,
                        onclick: () => change(-1),
                    },
                    icon("minus"),
                ),
                h("output", { testid: "party", "aria-live": "polite" }, counted(party.size, "seat")),
                h(
                    "button.round",
                    {
                        type: "button",
                        testid: "more",
                        "aria-label": "More",
                        disabled: party.size >= left,
                        onclick: () => change(1),
                    },
                    icon("plus"),
                ),
            ),
            h("button.secondary", { type: "button", testid: "find", onclick: find }, icon("spark"), "Find the best"),
        ),
    ];
}

function chosen(sale, looks, page) {
    const { house, event, selection, holding } = sale;
    const seats = [...selection];
    const asking = holding.phase === "asking";
    const total = price(house.total(seats), event.currency);
    return [
        h(
            "div.heading.row",
            {},
            h("h2", {}, `${counted(seats.length, "seat")} chosen`),
            h(
                "button.link",
                { type: "button", testid: "clear", disabled: asking, onclick: () => sale.choose([]) },
                "Clear",
            ),
        ),
        seatList(sale, looks, seats, { remove: asking ? undefined : (seat) => sale.toggle(seat), show: page.show }),
        h(
            "button.primary",
            { type: "button", testid: "hold", disabled: asking, onclick: page.hold },
            h("span", {}, asking ? "Holding …" : "Hold seats"),
            h("span.total", { testid: "total" }, total),
        ),
        h("p.small", {}, `Held for you for ${duration(event.sales_settings.hold_ttl_ms)} while you pay.`),
    ];
}

/**
 * @param {import("../sale/sale.js").Sale} sale
 * @param {Map<number, any>} looks
 * @param {number[]} seats
 * @param {{kind?: number, remove?: (seat: number) => void, show?: (seats: number[]) => void}} [options]
 */
export function seatList(sale, looks, seats, { kind = Kind.FREE, remove, show } = {}) {
    const { house, event } = sale;
    const entry = (seat) => {
        const { section, label } = house.row(seat);
        const name = house.name(seat);
        const where = [h("b", {}, section.name), h("span", {}, `Row ${label} · Seat ${house.labels[seat]}`)];
        return h(
            "li",
            {},
            glyph(kind, looks.get(house.category[seat]), house.accessible[seat] === 1),
            show
                ? h(
                      "button.where",
                      {
                          type: "button",
                          testid: `show-${seat}`,
                          "aria-label": `Show ${name}`,
                          onclick: () => show([seat]),
                      },
                      where,
                  )
                : h("span.where", {}, where),
            h("span.amount", {}, price(house.price(seat), event.currency)),
            remove &&
                h(
                    "button.round.small",
                    {
                        type: "button",
                        testid: `remove-${seat}`,
                        "aria-label": `Remove ${name}`,
                        onclick: () => remove(seat),
                    },
                    icon("close"),
                ),
        );
    };
    return h("ul.seats", { testid: "chosen-seats" }, seats.map(entry));
}
