// The order while seats are held: the time that is left, and the stand-in for a payment.

import { counted, duration, price } from "../format.js";
import { Kind } from "../map/glyphs.js";
import { h, icon } from "./dom.js";
import { seatList } from "./picking.js";

/** From here on the clock is worth a second look, in milliseconds. */
const SOON_MS = 20_000;

/** The time that is left, as of now: `tick` moves it on. @param {import("../sale/holding.js").Holding} holding */
function clock(holding) {
    const time = h("strong.clock", { testid: "countdown", role: "timer" });
    const element = h("div.countdown", {}, h("div.bar", {}, h("i", {})), h("span", {}, "Yours for"), time);
    tick(element, holding);
    return element;
}

/**
 * @param {HTMLElement} element the clock
 * @param {{remainingMs: number, wholeMs: number}} holding
 */
export function tick(element, { remainingMs: left, wholeMs: whole }) {
    element.querySelector(".clock").textContent = left > 0 ? duration(left) : "ending …";
    element.classList.toggle("soon", left < SOON_MS);
    element.querySelector(".bar i").style.transform = `scaleX(${Math.min(1, left / whole)})`;
}

/**
 * @param {import("../sale/sale.js").Sale} sale
 * @param {Map<number, any>} looks
 * @param {{show: (seats: number[]) => void, signed: (act: () => void) => void}} page `signed` acts after a sign-in
 * @returns {Node[]}
 */
export function held(sale, looks, page) {
    const { holding } = sale;
    const { seats, reservation, busy } = holding;
    const total = price(reservation.total_minor, reservation.currency);
    return [
        h("div.heading.row", {}, h("h2", {}, `${counted(seats.length, "seat")} held for you`)),
        clock(holding),
        seatList(sale, looks, seats, { kind: Kind.MINE, show: page.show }),
        h(
            "button.primary",
            { type: "button", testid: "pay", disabled: busy, onclick: () => holding.showPayment(true) },
            h("span", {}, "Go to payment"),
            h("span.total", { testid: "total" }, total),
        ),
        h(
            "div.pair",
            {},
            h(
                "button.secondary",
                {
                    type: "button",
                    testid: "extend",
                    disabled: busy || !holding.extendable,
                    onclick: () => page.signed(() => holding.extend()),
                },
                icon("clock"),
                holding.extendable ? "More time" : "No more time",
            ),
            h(
                "button.secondary",
                {
                    type: "button",
                    testid: "release",
                    disabled: busy,
                    onclick: () => page.signed(() => holding.release()),
                },
                icon("close"),
                "Let go",
            ),
        ),
    ];
}

/**
 * The form that stands in for a payment provider. Nothing of a card is asked for, kept or sent.
 * @param {import("../sale/sale.js").Sale} sale
 * @param {{signed: (act: () => void) => void}} page
 * @returns {Node[]}
 */
export function payment(sale, page) {
    const { holding } = sale;
    const { reservation, seats, phase } = holding;
    const total = price(reservation.total_minor, reservation.currency);
    const confirming = phase === "confirming";
    const card = (value, title, text, checked) =>
        h(
            "label.card-choice",
            {},
            h("input", { type: "radio", name: "card", value, checked, disabled: confirming, testid: `card-${value}` }),
            h("span", {}, h("b", {}, title), h("small", {}, text)),
        );
    const submit = (event) => {
        event.preventDefault();
        if (new FormData(event.target).get("card") === "refused") holding.refusePayment();
        else page.signed(() => holding.pay());
    };
    return [
        h(
            "div.heading.row",
            {},
            h("h2", {}, "Payment"),
            h(
                "button.link",
                {
                    type: "button",
                    testid: "payment-back",
                    disabled: confirming,
                    onclick: () => holding.showPayment(false),
                },
                "Back",
            ),
        ),
        clock(holding),
        h(
            "form.payment",
            { testid: "payment-form", onsubmit: submit },
            h(
                "p.stand-in",
                {},
                icon("info"),
                h(
                    "span",
                    {},
                    h("b", {}, "This is a stand-in. "),
                    "No money moves, and no card is asked for. A real shop puts its payment provider here.",
                ),
            ),
            h(
                "fieldset",
                {},
                h("legend.sr", {}, "Pretend to pay with"),
                card("accepted", "Pretend card that works", "pays at once", true),
                card("refused", "Pretend card that is refused", "your seats stay held", false),
            ),
            h(
                "button.primary",
                { type: "submit", testid: "confirm", disabled: confirming },
                h("span", {}, confirming ? "Booking …" : `Pay for ${counted(seats.length, "seat")}`),
                h("span.total", {}, total),
            ),
        ),
    ];
}
