// The lively part of the map: names and counts of sections, own seats, the focus, and seats that just changed.

import { Kind, RADIUS, drawSeat } from "./glyphs.js";
import { inkOn } from "./palette.js";
import { sectionFill, seatsPart } from "./painting.js";

/** A changed seat is shown for so long, and so many at a time. */
const PULSE_MS = 700;
const PULSES_MAX = 300;
/** From this seat width on, in CSS pixels, the name of a section stands before its first row. */
const NAMES_OUTSIDE_FROM = 9;
/** A chosen seat that is larger, in CSS pixels, shows its number. */
const NUMBER_RADIUS = 8;
/** A section of fewer CSS pixels has its name outside too: it would cover the seats. */
const SMALL_PX = 70;
/** How wide a section is inside: by the root of its seats, in seat widths. */
const ROOM = 1.25;

export class Overlay {
    #house;
    #looks;
    #pulses = new Map();
    #widths = new Map();
    /** @type {Map<number, number>} own seats and what they are: one of Kind */
    own = new Map();
    focus = -1;
    hover = -1;
    /** A section under the pointer, from afar. */
    hoverSection = -1;

    /**
     * @param {import("../sale/house.js").House} house
     * @param {Map<number, {colour: string, dotted: boolean}>} looks
     */
    constructor(house, looks) {
        Object.assign(this, { colours: {}, font: "sans-serif", ratio: 1 });
        this.#house = house;
        this.#looks = looks;
    }

    /** @param {Iterable<number>} seats that changed now */
    pulse(seats, now) {
        for (const seat of seats) {
            this.#pulses.delete(seat);
            this.#pulses.set(seat, now);
            if (this.#pulses.size > PULSES_MAX) this.#pulses.delete(this.#pulses.keys().next().value);
        }
    }

    /**
     * @param {CanvasRenderingContext2D} context in device pixels
     * @param {import("./camera.js").Camera} camera
     * @param {{kind: (seat: number) => number, free: (section: number) => number}} model
     * @returns {boolean} whether something moves on
     */
    draw(context, camera, model, now) {
        context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
        const part = seatsPart(camera.pitch);
        if (part > 0) this.#drawPulses(context, camera, model, now);
        this.#drawOwn(context, camera);
        if (this.hover >= 0 && part === 1) this.#ring(context, camera, this.hover, 1.25, this.colours.ink, 1.5);
        this.#drawLabels(context, camera, model, part);
        if (this.focus >= 0) this.#drawFocus(context, camera);
        return this.#pulses.size > 0;
    }

    #seen(camera, seat, margin = 20) {
        const at = camera.toScreen(this.#house.x[seat], this.#house.y[seat]);
        const inside =
            at.x > -margin && at.y > -margin && at.x < camera.width + margin && at.y < camera.height + margin;
        return inside ? at : null;
    }

    #drawPulses(context, camera, model, now) {
        const radius = camera.pitch * RADIUS;
        for (const [seat, start] of this.#pulses) {
            const t = (now - start) / PULSE_MS;
            if (t >= 1) {
                this.#pulses.delete(seat);
                continue;
            }
            const at = this.#seen(camera, seat);
            if (!at) continue;
            const free = model.kind(seat) === Kind.FREE;
            context.globalAlpha = (1 - t) ** 1.5 * 0.9;
            context.strokeStyle = free ? this.#looks.get(this.#house.category[seat]).colour : this.colours.ink;
            context.lineWidth = Math.max(1, radius * 0.3 * (1 - t));
            context.beginPath();
            context.arc(at.x, at.y, Math.max(2, radius) * (1 + t * 1.4), 0, 2 * Math.PI);
            context.stroke();
        }
        context.globalAlpha = 1;
    }

    #drawOwn(context, camera) {
        const house = this.#house;
        const radius = Math.max(3.2, camera.pitch * RADIUS);
        for (const [seat, kind] of this.own) {
            const at = this.#seen(camera, seat);
            if (!at) continue;
            const place = { ...at, radius, square: house.accessible[seat] === 1, dim: false };
            drawSeat(context, kind, this.#looks.get(house.category[seat]), place, this.colours);
            if (kind === Kind.SELECTED && radius > NUMBER_RADIUS) this.#number(context, seat, place);
        }
    }

    #number(context, seat, { x, y, radius }) {
        context.font = `700 ${radius * 0.84}px ${this.font}`;
        context.textAlign = "center";
        context.textBaseline = "middle";
        context.fillStyle = inkOn(this.#looks.get(this.#house.category[seat]).colour);
        context.fillText(this.#house.labels[seat], x, y + radius * 0.06);
    }

    #ring(context, camera, seat, size, colour, width) {
        const at = this.#seen(camera, seat);
        if (!at) return;
        context.strokeStyle = colour;
        context.lineWidth = width;
        context.beginPath();
        context.arc(at.x, at.y, camera.pitch * RADIUS * size + width, 0, 2 * Math.PI);
        context.stroke();
    }

    #drawFocus(context, camera) {
        const large = Math.max(1.5, 9 / (camera.pitch * RADIUS));
        this.#ring(context, camera, this.focus, large, this.colours.halo, 6);
        this.#ring(context, camera, this.focus, large, this.colours.ink, 2.5);
    }

    #drawLabels(context, camera, model, part) {
        context.textAlign = "center";
        context.textBaseline = "middle";
        for (const section of this.#house.sections) {
            const { left, top, right, bottom } = section.bounds;
            const { scale } = camera.view;
            // Of what is turned, the rectangle round it is larger than the room within.
            const room = Math.sqrt(section.count) * this.#house.pitch * ROOM;
            const size = { width: (right - left) * scale, height: Math.min(bottom - top, room) * scale };
            const small = part === 1 && Math.max(size.width, size.height) < SMALL_PX;
            if (camera.pitch >= NAMES_OUTSIDE_FROM || small) this.#nameBefore(context, camera, section);
            else this.#nameWithin(context, camera, section, { ...size, room: room * scale }, model, part);
        }
    }

    /** Before the first row, away from the second. */
    #nameBefore(context, camera, { name, rows }) {
        const { x, y } = this.#house;
        const middle = (row) => row.first + (row.count >> 1);
        const [front, next] = [middle(rows[0]), middle(rows[1] ?? rows[0])];
        const [dx, dy] = [x[front] - x[next], y[front] - y[next]];
        const length = Math.hypot(dx, dy) || 1;
        const [right, down] = rows[1] ? [dx / length, dy / length] : [0, -1];
        const size = Math.min(15, Math.max(9, camera.pitch * 0.62));
        // Beside a section that is turned, a name needs its whole width.
        const away =
            camera.pitch * 1.4 +
            (Math.abs(right) * this.#width(context, name) * size) / 2 +
            (Math.abs(down) * size) / 2;
        const at = camera.toScreen(x[front], y[front]);
        this.#text(context, name, at.x + right * away, at.y + down * away, `650 ${size}px ${this.font}`);
    }

    #nameWithin(context, camera, section, { width, height, room: inside }, model, part) {
        const lively = section.index === this.hoverSection;
        if (Math.min(width, inside) < 14 && !lively) return;
        const at = camera.toScreen(section.centre.x, section.centre.y);
        const room = height < 14 ? width : Math.max(Math.min(width, inside * 1.3), 24);
        const plan = { model, looks: this.#looks };
        // On the section's own colour, or with a halo where it may lie over seats.
        const bare = part === 0 && height >= 14 && !lively;
        const ink = bare ? inkOn(sectionFill(section, plan, this.colours.section, part)) : null;
        const free = model.free(section.index);
        const [name, size] = this.#fitting(
            context,
            section.name,
            room,
            Math.min(15, Math.max(9, height * 0.34)),
            lively,
        );
        if (name === null) return;
        const font = `650 ${size}px ${this.font}`;
        const small = Math.max(8.5, size * 0.8);
        if (height < size * 2.3) return this.#text(context, name, at.x, at.y, font, ink);
        this.#text(context, name, at.x, at.y - small * 0.62, font, ink);
        const count = free > 0 ? String(free) : width > 50 ? "sold out" : "0";
        this.#text(context, count, at.x, at.y + size * 0.6, `500 ${small}px ${this.font}`, ink);
    }

    /** What of a name fits: all of it, all of it in small letters, its last word, nothing. */
    #fitting(context, name, room, size, whole) {
        const short = name.split(" ").at(-1);
        for (const [text, letters] of [
            [name, size],
            [name, 9.5],
            [short, size],
            [short, 9],
        ]) {
            if (whole || this.#width(context, text) * letters <= room) return [text, letters];
        }
        return [null, 0];
    }

    /** Of a name, by the size of its letters: measured once. */
    #width(context, text) {
        let width = this.#widths.get(text);
        if (width === undefined) {
            context.font = `650 100px ${this.font}`;
            width = context.measureText(text).width / 100;
            this.#widths.set(text, width);
        }
        return width;
    }

    /** With a halo, or without in a colour of its own. */
    #text(context, text, x, y, font, ink = null) {
        context.font = font;
        if (ink === null) {
            context.lineJoin = "round";
            context.strokeStyle = this.colours.halo;
            context.lineWidth = 3.5;
            context.strokeText(text, x, y);
        }
        context.fillStyle = ink ?? this.colours.ink;
        context.fillText(text, x, y);
    }
}
