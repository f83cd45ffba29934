// The order: one card that goes along from choosing to the ticket.

import { counted, duration, price } from "../format.js";
import { fill, focusHeading, h, icon } from "./dom.js";
import { held, payment, tick } from "./held.js";
import { picking } from "./picking.js";
import { booked } from "./ticket.js";

/**
 * @param {import("../sale/sale.js").Sale} sale
 * @param {Map<number, any>} looks
 * @param {{show: (seats: number[]) => void, signIn: () => Promise<boolean>}} page
 */
export function order(sale, looks, page) {
    const element = h("section.order", { testid: "order", "aria-label": "Your order" });
    const signed = async (act) => {
        const asked = !sale.identity;
        if (asked && !(await page.signIn())) return;
        await act();
        // The dialog gives the focus back to a button that was drawn anew meanwhile.
        if (asked && document.activeElement === document.body) focusHeading(body);
    };
    const hold = () => signed(() => sale.holding.hold());
    const tools = { ...page, signed, hold, party: { size: Math.min(2, sale.limit) }, redraw: () => draw() };
    const said = h("div.part", {});
    const body = h("div.part", {});
    element.append(said, body);
    let told = null;
    const draw = () => {
        const { phase, alert: now } = sale.holding;
        element.dataset.phase = phase;
        // Only where it changed: screen readers read an alert that is put in, each time.
        if (now !== told) fill(said, alert(sale, tools));
        told = now;
        fill(body, ...content(sale, looks, tools));
        sale.emit("layout");
    };
    sale.on("update", draw);
    setInterval(() => {
        const countdown = body.querySelector(".countdown");
        if (countdown) tick(countdown, sale.holding);
        // The way from "soon" to "open", and its clock.
        const clock = body.querySelector("[data-until]");
        if (!clock) return;
        const left = Number(clock.dataset.until) - Date.now();
        if (left > 0) clock.textContent = duration(left);
        else draw();
    }, 250);
    draw();
    return element;
}

function content(sale, looks, tools) {
    switch (sale.holding.phase) {
        case "held":
            return held(sale, looks, tools);
        case "paying":
        case "confirming":
            return payment(sale, tools);
        case "booked":
            return booked(sale, tools.show);
        default:
            return picking(sale, looks, tools);
    }
}

/** What went wrong, and what can be done about it. */
function alert(sale, tools) {
    const { alert: told } = sale.holding;
    if (!told) return null;
    const close = h(
        "button.round.small",
        { type: "button", testid: "dismiss", "aria-label": "Dismiss", onclick: () => sale.holding.dismiss() },
        icon("close"),
    );
    return h(
        "div.alert",
        { testid: "alert", role: "alert", "data-kind": told.kind },
        h("div.said", {}, h("p", {}, told.text), close),
        told.groups ? suggestions(sale, told, tools) : null,
        told.kind === "sign-in" ? signInAgain(sale, told, tools) : null,
    );
}

function signInAgain(sale, { again }, { signIn }) {
    const act = async () => {
        if (!(await signIn())) return;
        if (sale.holding.alert?.kind === "sign-in") sale.holding.dismiss();
        again();
    };
    return h("button.secondary.take", { type: "button", testid: "sign-in-again", onclick: act }, "Sign in");
}

function suggestions(sale, { groups }, tools) {
    if (groups.length === 0) return h("p", {}, "Nothing like it is free at the moment.");
    const { house, event } = sale;
    const entry = ({ seats, together }, index) => {
        const take = () => takeSeats(sale, seats, tools);
        const side = seats.length === 1 ? "" : together ? "side by side, " : "apart, ";
        return h(
            "li",
            {},
            h(
                "button.where",
                {
                    type: "button",
                    testid: `show-group-${index}`,
                    "aria-label": `Show ${house.names(seats)}`,
                    onclick: () => tools.show(seats),
                },
                h("b", {}, house.names(seats)),
                h("span", {}, `${side}${price(house.total(seats), event.currency)}`),
            ),
            h("button.secondary.take", { type: "button", testid: `take-${index}`, onclick: take }, "Take these"),
        );
    };
    const title = counted(groups[0].seats.length, "seat");
    return h(
        "div.suggestions",
        { testid: "suggestions" },
        h("h3", {}, `${title} free nearby`),
        h("ul", {}, groups.map(entry)),
    );
}

async function takeSeats(sale, seats, { signed, show }) {
    sale.holding.dismiss();
    sale.choose(seats);
    show(seats);
    await signed(() => sale.holding.hold(seats));
}
