// The house as a list: sections with what is free, down to single seats as buttons, for those who use no map.

import { number, price } from "../format.js";
import { Kind } from "../map/glyphs.js";
import { eachFrame, h, icon } from "./dom.js";

const STATES = {
    [Kind.FREE]: "free",
    [Kind.HELD]: "held by somebody",
    [Kind.SOLD]: "sold",
    [Kind.BLOCKED]: "not for sale",
    [Kind.SELECTED]: "chosen",
    [Kind.MINE]: "held for you",
    [Kind.BOOKED]: "yours",
};

/** "free", "sold" ... @param {number} kind one of Kind */
export const stateName = (kind) => STATES[kind];

/**
 * @param {import("../sale/sale.js").Sale} sale
 * @param {(section: number) => void} show a section on the map
 */
export function sections(sale, show) {
    const open = new OpenSection(sale);
    const entries = sale.house.sections.map((section) => entry(sale, section, show, open));
    const list = h(
        "ul.sections",
        { testid: "sections" },
        entries.map(({ element }) => element),
    );
    const draw = eachFrame(() => {
        for (const one of entries) one.draw();
    });
    sale.on("counts", draw);
    sale.on("filter", draw);
    for (const type of ["seats", "own"])
        sale.on(
            type,
            eachFrame(() => open.draw()),
        );
    return h("section.house", { id: "list", "aria-label": "Sections and seats" }, h("h2", {}, "Sections"), list);
}

function entry(sale, section, show, open) {
    const { name, index, count, priceMin } = section;
    const free = h("span.count", { testid: `free-${index}` });
    const bar = h("i", {});
    const body = h("div.rows", { hidden: true });
    const toggle = h(
        "button.round.small",
        {
            type: "button",
            testid: `rows-${index}`,
            "aria-expanded": "false",
            "aria-label": `Rows of ${name}`,
            onclick: () => open.toggle(section, body, toggle),
        },
        icon("down"),
    );
    const zoom = h(
        "button.section",
        { type: "button", testid: `section-${index}`, onclick: () => show(index) },
        h("b", {}, name),
        h("span.from", {}, `from ${price(priceMin, sale.event.currency)}`),
        free,
        h("span.share", {}, bar),
    );
    const element = h("li", {}, h("div.line", {}, zoom, toggle), body);
    let shown = -1;
    const draw = () => {
        const left = sale.free(index);
        const wanted = sale.wanted.size === 0 || section.rows.some(({ first, count: many }) => has(sale, first, many));
        element.hidden = !wanted;
        if (left === shown) return;
        shown = left;
        free.textContent = left > 0 ? `${number(left)} free` : "sold out";
        element.classList.toggle("out", left === 0);
        bar.style.transform = `scaleX(${left / count})`;
    };
    return { element, draw };
}

function has({ house, wanted }, first, count) {
    for (let seat = first; seat < first + count; seat += 1) if (wanted.has(house.category[seat])) return true;
    return false;
}

/** The one section whose rows are in the page: 18,000 buttons would be too many. */
class OpenSection {
    #sale;
    #section = null;
    #body = null;
    #toggle = null;
    #row = null;
    #buttons = new Map();

    constructor(sale) {
        this.#sale = sale;
    }

    toggle(section, body, toggle) {
        const again = this.#section === section;
        this.#close();
        if (again) return;
        [this.#section, this.#body, this.#toggle] = [section, body, toggle];
        body.hidden = false;
        toggle.setAttribute("aria-expanded", "true");
        body.append(...section.rows.map((row) => this.#rowEntry(row)));
        if (section.rows.length === 1) body.querySelector("button").click();
    }

    #close() {
        this.#section = this.#row = null;
        this.#buttons.clear();
        this.#body?.replaceChildren();
        if (this.#body) this.#body.hidden = true;
        this.#toggle?.setAttribute("aria-expanded", "false");
    }

    #rowEntry(row) {
        const seats = h("div.row-seats", { role: "group", "aria-label": `Seats of row ${row.label}`, hidden: true });
        const free = h("span.count", {});
        const button = h(
            "button.row",
            {
                type: "button",
                testid: `row-${row.index}`,
                "aria-expanded": "false",
                onclick: () => this.#openRow(row, seats, button),
            },
            h("span", {}, `Row ${row.label}`),
            free,
            icon("down"),
        );
        this.#countRow(row, free);
        return h("div", {}, button, seats);
    }

    #countRow({ first, count }, element) {
        let free = 0;
        for (let seat = first; seat < first + count; seat += 1) free += this.#sale.isFree(seat) ? 1 : 0;
        element.textContent = `${free} of ${count} free`;
    }

    #openRow(row, seats, button) {
        const again = this.#row === row;
        for (const other of this.#body.querySelectorAll(".row-seats")) {
            other.replaceChildren();
            other.hidden = true;
        }
        for (const other of this.#body.querySelectorAll("button.row")) other.setAttribute("aria-expanded", "false");
        this.#buttons.clear();
        this.#row = again ? null : row;
        if (again) return;
        seats.hidden = false;
        button.setAttribute("aria-expanded", "true");
        for (let seat = row.first; seat < row.first + row.count; seat += 1) seats.append(this.#seatButton(seat));
        this.draw();
    }

    #seatButton(seat) {
        const { house } = this.#sale;
        const button = h(
            "button.seat",
            { type: "button", testid: `seat-${seat}`, onclick: () => this.#sale.toggle(seat) },
            house.labels[seat],
        );
        this.#buttons.set(seat, button);
        return button;
    }

    /** What is in the page follows the seats. */
    draw() {
        const { house, event } = this.#sale;
        for (const [seat, button] of this.#buttons) {
            const kind = this.#sale.kind(seat);
            if (button.dataset.kind === String(kind)) continue;
            button.dataset.kind = String(kind);
            button.setAttribute("aria-pressed", String(kind === Kind.SELECTED));
            button.setAttribute("aria-disabled", String(kind !== Kind.FREE && kind !== Kind.SELECTED));
            const extra = house.accessible[seat] ? ", accessible" : "";
            button.setAttribute(
                "aria-label",
                `Seat ${house.labels[seat]}, ${price(house.price(seat), event.currency)}${extra}, ${stateName(kind)}`,
            );
        }
        for (const [at, element] of [...(this.#body?.querySelectorAll("button.row .count") ?? [])].entries()) {
            this.#countRow(this.#section.rows[at], element);
        }
    }
}
