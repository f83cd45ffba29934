// What the seat under the pointer is.

import { price } from "../format.js";
import { h } from "./dom.js";
import { stateName } from "./sections.js";

const GAP = 14;

/** @param {import("../sale/sale.js").Sale} sale */
export function tooltip(sale) {
    const element = h("div.tooltip", { hidden: true, "aria-hidden": "true" });
    let shown = { seat: -1, at: null };
    /** @param {number} seat @param {{x: number, y: number} | null} at on the map */
    const show = (seat, at) => {
        shown = { seat, at };
        element.hidden = seat < 0;
        if (seat < 0) return;
        const { house, event } = sale;
        const { section, label } = house.row(seat);
        const category = event.price_categories[house.category[seat]].name;
        const extra = house.accessible[seat] ? " · accessible" : "";
        element.replaceChildren(
            h("b", {}, `${section.name} · Row ${label} · Seat ${house.labels[seat]}`),
            h("span", {}, `${price(house.price(seat), event.currency)} · ${category}${extra}`),
            h("span.state", {}, stateName(sale.kind(seat))),
        );
        place(element, at);
    };
    const again = () => show(shown.seat, shown.at);
    sale.on("own", again);
    sale.on("seats", ({ seats }) => seats.includes(shown.seat) && again());
    return { element, show };
}

/** Above the seat, below it where there is no room. */
function place(element, { x, y }) {
    const { offsetWidth: width, offsetHeight: height } = element;
    const most = element.parentElement.clientWidth - width - 6;
    const left = Math.min(Math.max(x - width / 2, 6), most);
    const top = y < height + GAP * 2 ? y + GAP : y - height - GAP;
    element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
}
