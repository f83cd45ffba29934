// Bookings, as tickets.

import { counted, price } from "../format.js";
import { fill, h, icon } from "./dom.js";

/**
 * @param {import("../sale/sale.js").Sale} sale
 * @param {any} booking as on the wire
 * @param {(seats: number[]) => void} show
 */
export function ticket({ house, event }, booking, show) {
    const { booking_id: id, seat_ids: seats, total_minor: total, currency } = booking;
    const places = house
        .names(seats)
        .split("; ")
        .map((place) => h("li", {}, place));
    return h(
        "article.ticket",
        { testid: "ticket" },
        h("header", {}, h("small", {}, event.venue_name), h("b", {}, event.name)),
        h("ul", { testid: "ticket-seats" }, places),
        h(
            "footer",
            {},
            h("div", {}, h("small", {}, "Booking number"), h("code", { testid: "booking-id" }, id)),
            h("div.right", {}, h("small", {}, counted(seats.length, "seat")), h("b", {}, price(total, currency))),
        ),
        h("button.link", { type: "button", testid: `show-${id}`, onclick: () => show(seats) }, "Show on the map"),
    );
}

/**
 * The order right after it was paid.
 * @param {import("../sale/sale.js").Sale} sale
 * @param {(seats: number[]) => void} show
 * @returns {Node[]}
 */
export function booked(sale, show) {
    const { holding } = sale;
    return [
        h(
            "div.heading.done",
            { testid: "booked" },
            icon("check"),
            h("div", {}, h("h2", {}, "Enjoy the show"), h("p", {}, "Your seats are booked.")),
        ),
        ticket(sale, holding.booking, show),
        h("button.secondary", { type: "button", testid: "done", onclick: () => holding.done() }, "Done"),
    ];
}

/** Bookings of before, made on this device: others do not know them. @param {import("../sale/sale.js").Sale} sale */
export function tickets(sale, show) {
    const element = h("section.mine", { testid: "bookings", hidden: true });
    const draw = () => {
        const { bookings, booking } = sale.holding;
        const others = bookings.filter(({ booking_id: id }) => id !== booking?.booking_id);
        element.hidden = others.length === 0;
        fill(element, h("h2", {}, "Your tickets"), ...others.map((one) => ticket(sale, one, show)));
    };
    sale.on("update", draw);
    draw();
    return element;
}
