// The page of an event: the map, the panel, and what ties them together.

import * as api from "../api.js";
import { number, price } from "../format.js";
import { SeatMap } from "../map/map.js";
import { House } from "../sale/house.js";
import { known } from "../sale/identity.js";
import { Sale } from "../sale/sale.js";
import { h, icon } from "./dom.js";
import { repaintGlyphs } from "./glyph.js";
import { key, prices } from "./legend.js";
import { order } from "./order.js";
import { sections, stateName } from "./sections.js";
import { sheet } from "./sheet.js";
import { SignIn, visitor } from "./sign_in.js";
import { announce, banner, pill, toasts } from "./status.js";
import { tickets } from "./ticket.js";
import { tooltip } from "./tooltip.js";

/** How often the page asks whether the sale's times have changed, in milliseconds. */
const EVENT_EVERY_MS = 20_000;

const HELP =
    "Seat map. Arrow keys move from seat to seat, Enter chooses, plus and minus zoom, 0 shows the whole house, " +
    "Page Down goes to the next section. All seats are in the list after the map too.";

/**
 * @param {HTMLElement} root
 * @param {string} eventId
 */
export async function eventPage(root, eventId) {
    root.replaceChildren(h("div.loading", { role: "status" }, h("i", {}), "Opening the house …"));
    const [event, layout] = await Promise.all([api.event(eventId), api.layout(eventId)]);
    document.title = `${event.name} · ${event.venue_name}`;
    const sale = new Sale(new House(event, layout), known());
    const page = build(root, sale);
    follow(sale, page);
    sale.holding.restore();
    // For tests: a canvas has no elements to ask.
    window.ticketengine = hook(sale, page.map);
}

function build(root, sale) {
    const canvas = h("canvas", {
        testid: "seat-map",
        tabindex: "0",
        role: "application",
        "aria-roledescription": "seat map",
        "aria-label": HELP,
    });
    const tip = tooltip(sale);
    const area = h("section.map", { "aria-label": "Seat map" }, canvas, tip.element);
    const main = h("main.event", {});
    root.replaceChildren(main);
    main.append(area);
    const map = new SeatMap(canvas, sale.house, model(sale), {
        pick: (seat) => {
            // A refusal was said already.
            if (sale.toggle(seat)) announce(describe(sale, seat));
        },
        hover: tip.show,
        focus: (seat) => announce(describe(sale, seat)),
        section: (index) => announce(`${sale.house.sections[index].name}, ${sale.free(index)} seats free`),
    });
    const signIn = new SignIn(sale);
    const ask = () => signIn.ask();
    const card = order(sale, map.looks, { show: (seats) => showSeats(seats), signIn: ask });
    const rest = h(
        "div.rest",
        {},
        tickets(sale, (seats) => showSeats(seats)),
        h("section", {}, h("h2", {}, "Prices"), prices(sale, map.looks)),
        sections(sale, (index) => {
            pulled.close();
            map.showSection(index);
        }),
        h("section.marks", {}, h("h2", {}, "Marks"), key()),
    );
    const panel = h("aside.panel", {}, rest, card);
    const pulled = sheet(panel, card, (insets) => {
        map.insets = insets;
    });
    const showSeats = (seats) => {
        pulled.close();
        map.showSeats(seats);
    };
    area.append(prices(sale, map.looks, { compact: true }), banner(sale), key(), zoomButtons(map), toasts(sale));
    main.prepend(head(sale, signIn));
    main.append(panel);
    pulled.measure();
    return { map };
}

function model(sale) {
    return {
        kind: (seat) => sale.board.get(seat),
        dim: (seat) => !sale.isWanted(seat),
        free: (section) => sale.board.free(section),
    };
}

function head(sale, signIn) {
    const { event } = sale;
    const left = h("span", { testid: "free-total" });
    const draw = () => {
        left.textContent = sale.ready ? `${number(sale.free())} of ${number(event.seat_count)} free` : "";
    };
    sale.on("counts", draw);
    draw();
    return h(
        "header.top",
        {},
        h("a.round", { href: "/", "aria-label": "All events" }, icon("back")),
        h("div.title", {}, h("h1", {}, event.name), h("p", {}, h("span", {}, event.venue_name), left)),
        pill(sale),
        visitor(sale, signIn),
    );
}

function zoomButtons(map) {
    const button = (name, label, testid, act) =>
        h("button", { type: "button", testid, "aria-label": label, title: label, onclick: act }, icon(name));
    return h(
        "div.zoom",
        { role: "group", "aria-label": "Zoom" },
        button("plus", "Zoom in", "zoom-in", () => map.zoomBy(1)),
        button("minus", "Zoom out", "zoom-out", () => map.zoomBy(-1)),
        button("whole", "Show the whole house", "zoom-whole", () => map.showWhole()),
    );
}

/** The map and the page follow the sale. */
function follow(sale, { map }) {
    sale.on("seats", ({ seats, whole }) => {
        map.changed(seats);
        if (whole) map.repaint();
    });
    sale.on("own", () => {
        map.own = sale.own;
    });
    sale.on("filter", () => map.repaint());
    map.own = sale.own;
    const wake = () => document.visibilityState === "visible" && sale.connection.wake();
    document.addEventListener("visibilitychange", wake);
    window.addEventListener("online", wake);
    // Another tab bought something.
    window.addEventListener("storage", () => {
        sale.emit("own", { seats: [] });
        sale.emit("update");
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaintGlyphs);
    setInterval(async () => {
        if (document.visibilityState !== "visible") return;
        const before = JSON.stringify([sale.event.sales_state, sale.event.sales_settings]);
        const event = await api.event(sale.event.event_id).catch(() => sale.event);
        Object.assign(sale.event, { sales_state: event.sales_state, sales_settings: event.sales_settings });
        if (JSON.stringify([event.sales_state, event.sales_settings]) !== before) sale.emit("update");
    }, EVENT_EVERY_MS);
}

function describe(sale, seat) {
    const { house, event } = sale;
    const extra = house.accessible[seat] ? ", accessible" : "";
    return `${house.name(seat)}, ${price(house.price(seat), event.currency)}${extra}, ${stateName(sale.kind(seat))}`;
}

function hook(sale, map) {
    return Object.freeze({
        board: sale.board,
        seatCount: sale.house.seatCount,
        /** Where a seat is in the window, in CSS pixels, and what it is. */
        seatAt: (seat) => {
            const { left, top } = document.querySelector("[data-testid=seat-map]").getBoundingClientRect();
            const { x, y } = map.place(seat);
            return {
                x: x + left,
                y: y + top,
                state: sale.board.get(seat),
                kind: sale.kind(seat),
                pitch: map.camera.pitch,
                flying: map.camera.flying,
            };
        },
        showSeats: (seats) => map.showSeats(seats),
        get connection() {
            return sale.connection.state;
        },
        get position() {
            return sale.board.position;
        },
        get phase() {
            return sale.holding.phase;
        },
        get selection() {
            return [...sale.selection];
        },
    });
}
