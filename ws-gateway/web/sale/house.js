// The layout of an event as flat arrays, one entry a seat, and the names of things for people.

/** Where no two seats of a row can be compared: the usual width of a seat, in centimetres. */
const PITCH_CM_DEFAULT = 52;
/** Seats of a row that are further apart than so many widths have an aisle between them. */
const AISLE_WIDTHS = 1.7;

/**
 * @typedef {object} Section
 * @property {number} index
 * @property {string} name
 * @property {number} first its first seat
 * @property {number} count of seats
 * @property {Row[]} rows
 * @property {number} category the price category of most of its seats
 * @property {number} priceMin in minor units
 * @property {{left: number, top: number, right: number, bottom: number}} bounds in centimetres
 * @property {{x: number, y: number}} centre inside even where the section is curved
 *
 * @typedef {object} Row
 * @property {number} index in the house
 * @property {Section} section
 * @property {string} label
 * @property {number} first
 * @property {number} count
 */

export class House {
    /**
     * @param {any} event as `/v1/events/{id}` gives it
     * @param {any} layout as `/v1/events/{id}/layout` gives it
     */
    constructor(event, layout) {
        const count = layout.seat_count;
        this.event = event;
        this.seatCount = count;
        this.x = new Float32Array(count);
        this.y = new Float32Array(count);
        this.category = new Uint8Array(count);
        this.accessible = new Uint8Array(count);
        this.rowOf = new Uint32Array(count);
        /** @type {string[]} */
        this.labels = new Array(count);
        /** @type {Row[]} */
        this.rows = [];
        /** @type {Section[]} */
        this.sections = layout.sections.map((section, index) => this.#section(section, index));
        this.bounds = union(this.sections.map(({ bounds }) => bounds));
        this.pitch = this.#pitch();
        /** Price categories by rank: the dearest first. */
        this.categories = event.price_categories
            .map(({ name, price_minor: price }, index) => ({ index, name, price }))
            .sort((a, b) => b.price - a.price || a.index - b.index);
    }

    #section({ name, first_seat: first, rows }, index) {
        const section = { index, name, first, rows: [], count: 0 };
        const categories = new Map();
        for (const { label, first_seat: rowFirst, seats } of rows) {
            const row = { index: this.rows.length, section, label, first: rowFirst, count: seats.length };
            this.rows.push(row);
            section.rows.push(row);
            section.count += seats.length;
            for (const [at, seat] of seats.entries()) {
                this.#seat(rowFirst + at, seat, row);
                categories.set(seat.price_category, (categories.get(seat.price_category) ?? 0) + 1);
            }
        }
        const [category] = [...categories].reduce((most, one) => (one[1] > most[1] ? one : most), [0, 0]);
        const prices = [...categories.keys()].map((key) => this.event.price_categories[key].price_minor);
        const bounds = this.#bounds(first, section.count);
        return Object.assign(section, {
            category,
            priceMin: Math.min(...prices),
            bounds,
            centre: this.#centre(section),
        });
    }

    #seat(seat, { label, price_category: category, x_cm: x, y_cm: y, accessible = false }, row) {
        this.x[seat] = x;
        this.y[seat] = y;
        this.category[seat] = category;
        this.accessible[seat] = accessible ? 1 : 0;
        this.rowOf[seat] = row.index;
        this.labels[seat] = label;
    }

    /** The middle of the seats; of the middle row where that is no place within, as in a half moon. */
    #centre({ first, count, rows }) {
        const middle = this.#mean(first, count);
        for (let seat = first; seat < first + count; seat += 1) {
            if (Math.hypot(this.x[seat] - middle.x, this.y[seat] - middle.y) < PITCH_CM_DEFAULT * 2) return middle;
        }
        const row = rows[rows.length >> 1];
        return row ? this.#mean(row.first + ((row.count - 1) >> 1), 2 - (row.count % 2)) : { x: 0, y: 0 };
    }

    #mean(first, count) {
        const mean = (values) => values.subarray(first, first + count).reduce((sum, value) => sum + value, 0) / count;
        return { x: mean(this.x), y: mean(this.y) };
    }

    #bounds(first, count) {
        const bounds = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
        for (let seat = first; seat < first + count; seat += 1) {
            bounds.left = Math.min(bounds.left, this.x[seat]);
            bounds.right = Math.max(bounds.right, this.x[seat]);
            bounds.top = Math.min(bounds.top, this.y[seat]);
            bounds.bottom = Math.max(bounds.bottom, this.y[seat]);
        }
        return bounds;
    }

    /** The usual distance of neighbours, in centimetres. */
    #pitch() {
        const distances = this.rows
            .filter(({ count }) => count > 1)
            .map(({ first }) => this.distance(first, first + 1));
        distances.sort((a, b) => a - b);
        return distances[distances.length >> 1] || PITCH_CM_DEFAULT;
    }

    /** In centimetres. */
    distance(a, b) {
        return Math.hypot(this.x[a] - this.x[b], this.y[a] - this.y[b]);
    }

    /** Whether one can sit in `a` and `b` without an aisle or a stranger between. */
    adjacent(a, b) {
        if (Math.abs(a - b) !== 1 || this.rowOf[a] !== this.rowOf[b]) return false;
        const { first, count } = this.row(a);
        // Of the row's own width: places for wheelchairs are wider.
        const width =
            count > 2 ? Math.min(this.distance(first, first + 1), this.distance(first + 1, first + 2)) : this.pitch;
        return this.distance(a, b) <= Math.max(width, this.pitch) * AISLE_WIDTHS;
    }

    /** @returns {Row} */
    row(seat) {
        return this.rows[this.rowOf[seat]];
    }

    /** @returns {Section} */
    section(seat) {
        return this.row(seat).section;
    }

    /** In minor units. */
    price(seat) {
        return this.event.price_categories[this.category[seat]].price_minor;
    }

    /** @param {Iterable<number>} seats */
    total(seats) {
        return [...seats].reduce((sum, seat) => sum + this.price(seat), 0);
    }

    /** "Floor A1, row 3, seat 12" */
    name(seat) {
        const { section, label } = this.row(seat);
        return `${section.name}, row ${label}, seat ${this.labels[seat]}`;
    }

    /**
     * "Floor A1, row 3, seats 12–14" for seats of a row; rows apart are joined by semicolons.
     * @param {number[]} seats
     */
    names(seats) {
        const rows = new Map();
        for (const seat of [...seats].sort((a, b) => a - b)) {
            const row = this.row(seat);
            rows.set(row, [...(rows.get(row) ?? []), seat]);
        }
        return [...rows]
            .map(([{ section, label }, list]) => `${section.name}, row ${label}, ${this.#list(list)}`)
            .join("; ");
    }

    #list(seats) {
        if (seats.length === 1) return `seat ${this.labels[seats[0]]}`;
        const last = seats.at(-1);
        const whole = last - seats[0] === seats.length - 1 && seats.length > 2;
        if (whole) return `seats ${this.labels[seats[0]]}–${this.labels[last]}`;
        return `seats ${seats.map((seat) => this.labels[seat]).join(", ")}`;
    }
}

/** The rectangle round several. @param {{left: number, top: number, right: number, bottom: number}[]} all */
export function union(all) {
    return {
        left: Math.min(...all.map(({ left }) => left)),
        top: Math.min(...all.map(({ top }) => top)),
        right: Math.max(...all.map(({ right }) => right)),
        bottom: Math.max(...all.map(({ bottom }) => bottom)),
    };
}
