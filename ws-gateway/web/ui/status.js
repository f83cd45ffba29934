// How the connection is, passing remarks, and what screen readers are told.

import { duration } from "../format.js";
import { h, icon } from "./dom.js";

const TOAST_MS = 6000;
const TOASTS_MAX = 3;
/** A short interruption is not worth a banner. */
const BANNER_AFTER_MS = 900;

const PILLS = {
    connecting: "Connecting",
    live: "Live",
    stale: "Delayed",
    reconnecting: "Reconnecting",
    closed: "Offline",
};

/** The small sign in the head. @param {import("../sale/sale.js").Sale} sale */
export function pill(sale) {
    const text = h("span", {});
    const element = h("span.pill", { testid: "connection", role: "status" }, h("i", {}), text);
    const show = () => {
        const { state } = sale.connection.state;
        element.dataset.state = state;
        text.textContent = PILLS[state];
    };
    sale.on("connection", show);
    show();
    return element;
}

/** The banner over the map, while what it shows may be old. @param {import("../sale/sale.js").Sale} sale */
export function banner(sale) {
    const text = h("span", { role: "status" });
    // Not a part of what is read out: it changes each second.
    const when = h("span", {});
    const again = h(
        "button.link",
        { type: "button", testid: "reconnect", onclick: () => sale.connection.wake() },
        "Try now",
    );
    const element = h("div.banner", { testid: "banner", hidden: true }, icon("wave"), h("span", {}, text, when), again);
    let timer = null;
    let nextTry = 0;
    const write = () => {
        const { state, reason } = sale.connection.state;
        again.hidden = when.hidden = state !== "reconnecting";
        const words = sentence(state, reason);
        if (text.textContent !== words) text.textContent = words;
        const wait = nextTry - performance.now();
        when.textContent = wait > 1000 ? ` Next try in ${duration(wait)}.` : " Trying now …";
    };
    const show = () => {
        const { state, retryInMs = 0 } = sale.connection.state;
        nextTry = performance.now() + retryInMs;
        if (state === "live" || state === "connecting") {
            clearInterval(timer);
            timer = null;
            element.hidden = true;
            return;
        }
        write();
        if (state === "closed") element.hidden = false;
        timer ??= setInterval(() => {
            element.hidden = false;
            write();
        }, BANNER_AFTER_MS);
    };
    sale.on("connection", show);
    show();
    return element;
}

function sentence(state, reason) {
    if (state === "stale") return "Live updates are delayed. What you see may be a few moments old.";
    return state === "closed" ? closedBecause(reason) : "Reconnecting. Your seats are safe.";
}

function closedBecause(reason) {
    if (reason === "EVENT_GONE" || reason === "EVENT_NOT_FOUND") return "This event is no longer here.";
    return "The connection is closed. Reload the page to go on.";
}

/** Passing remarks. @param {import("../sale/sale.js").Sale} sale */
export function toasts(sale) {
    const element = h("div.toasts", { testid: "toasts" });
    sale.on("notice", ({ text, kind }) => {
        announce(text);
        // What the panel shows until it is dealt with need not pass by too.
        if (kind === "alert") return;
        const toast = h("div.toast", {}, text);
        element.append(toast);
        while (element.children.length > TOASTS_MAX) element.firstChild.remove();
        setTimeout(() => toast.remove(), TOAST_MS);
    });
    return element;
}

/** Says something to those who do not look. @param {string} text */
export function announce(text) {
    const live = document.getElementById("announcer");
    // The same words twice are said twice.
    live.textContent = live.textContent === text ? `${text}\u00a0` : text;
}
