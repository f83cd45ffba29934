// One painting of the still part of the map for one view: ground, stage, sections, seats of others. Made in slices, so
// that a frame is never kept waiting for 18,000 seats.

import { RADIUS, drawSeat } from "./glyphs.js";
import { inkOn, mix } from "./palette.js";
import { PAD } from "./outlines.js";

/** Seat widths in CSS pixels between which sections turn into seats. */
const SEATS_FROM = 2.8;
const SEATS_WHOLE = 4.2;
/** From here on seats carry their numbers, and rows theirs. */
const NUMBERS_FROM = 21;
const ROW_LABELS_FROM = 12;
/** Painted beyond each edge, by the canvas' size: what a drag can show without a new painting. */
const MARGIN = 0.25;
/** Seats between two looks at the clock. */
const STRIDE = 250;

/** @param {number} pitch in CSS pixels @returns {number} 0 sections only, 1 seats only */
export function seatsPart(pitch) {
    const t = Math.min(1, Math.max(0, (pitch - SEATS_FROM) / (SEATS_WHOLE - SEATS_FROM)));
    return t * t * (3 - 2 * t);
}

/**
 * From afar a section has the colour of its price, the paler the less is free.
 * @param {import("../sale/house.js").Section} section
 * @param {{model: import("./map.js").Model, looks: Map<number, import("./glyphs.js").Look>}} plan
 * @param {string} plain the colour where seats are seen
 * @param {number} part of the seats, see `seatsPart`
 */
export function sectionFill({ index, count, category, rows }, { model, looks }, plain, part) {
    if (part === 1) return plain;
    const share = model.free(index) / count;
    const looked = rows.some(({ first }) => !model.dim(first));
    const strength = share > 0 && looked ? 0.16 + 0.62 * share : 0.04;
    return mix(mix(plain, looks.get(category).colour, strength), plain, part);
}

export class Painting {
    #plan;
    #style;
    #context;
    #seats = [];
    #next = 0;
    #late = [];

    /**
     * @param {HTMLCanvasElement} canvas to paint on
     * @param {object} plan house, grid, model, looks, outlines and stage
     * @param {object} style colours, inks, font and ratio
     * @param {import("./camera.js").Camera} camera
     */
    constructor(canvas, plan, style, { width, height, view, pitch }) {
        Object.assign(this, { canvas, width, height, pitch, view: { ...view } });
        this.#plan = plan;
        this.#style = style;
        this.ratio = style.ratio;
        this.margin = { x: Math.round(width * MARGIN), y: Math.round(height * MARGIN) };
        this.radius = pitch * RADIUS * style.ratio;
        this.#context = canvas.getContext("2d", { alpha: false });
        this.#begin();
    }

    get done() {
        return this.#next >= this.#seats.length;
    }

    /** Paints on for about so many milliseconds. */
    work(ms) {
        if (this.done) return;
        const until = performance.now() + ms;
        const context = this.#context;
        context.globalAlpha = seatsPart(this.pitch);
        while (!this.done && performance.now() < until) {
            const end = Math.min(this.#seats.length, this.#next + STRIDE);
            for (; this.#next < end; this.#next += 1) this.#seat(this.#seats[this.#next]);
        }
        context.globalAlpha = 1;
        if (this.done) this.#finish();
    }

    /** Paints some seats again: they changed. @param {number[]} seats */
    patch(seats) {
        if (!this.done) {
            this.#late.push(...seats);
            return;
        }
        const context = this.#context;
        const { house } = this.#plan;
        const size = this.radius * 1.2 + this.ratio;
        for (const seat of seats) {
            const { x, y } = this.#place(seat);
            if (x < -size || y < -size || x > this.canvas.width + size || y > this.canvas.height + size) continue;
            context.globalAlpha = 1;
            context.beginPath();
            context.arc(x, y, this.radius * (house.accessible[seat] ? 1.24 : 1.06) + this.ratio / 2, 0, 2 * Math.PI);
            context.fillStyle = this.#fill(house.section(seat));
            context.fill();
            context.globalAlpha = seatsPart(this.pitch);
            this.#seat(seat);
        }
        context.globalAlpha = 1;
    }

    #begin() {
        const { canvas, view, margin, ratio } = this;
        const [width, height] = [(this.width + 2 * margin.x) * ratio, (this.height + 2 * margin.y) * ratio].map(
            Math.round,
        );
        if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
        const context = this.#context;
        context.setTransform(1, 0, 0, 1, 0, 0);
        context.globalAlpha = 1;
        context.fillStyle = this.#style.colours.ground;
        context.fillRect(0, 0, width, height);
        const scale = view.scale * ratio;
        context.setTransform(scale, 0, 0, scale, (view.x + margin.x) * ratio, (view.y + margin.y) * ratio);
        this.#stage(context, scale);
        for (const section of this.#plan.house.sections) this.#section(context, section, scale);
        context.setTransform(1, 0, 0, 1, 0, 0);
        if (seatsPart(this.pitch) > 0) this.#plan.grid.each(this.#seen(), (seat) => this.#seats.push(seat));
        if (this.done) this.#finish();
    }

    #finish() {
        if (this.#late.length) this.patch(this.#late);
        this.#late = [];
        if (this.pitch >= ROW_LABELS_FROM) this.#rowLabels();
    }

    /** In centimetres. */
    #seen() {
        const { view, margin, width, height } = this;
        return {
            left: (-margin.x - view.x) / view.scale,
            right: (width + margin.x - view.x) / view.scale,
            top: (-margin.y - view.y) / view.scale,
            bottom: (height + margin.y - view.y) / view.scale,
        };
    }

    #stage(context, scale) {
        const { stage } = this.#plan;
        if (!stage) return;
        const { left, top, right, bottom } = stage;
        const { colours, font } = this.#style;
        context.beginPath();
        context.roundRect(left, top, right - left, bottom - top, 90);
        context.fillStyle = colours.stage;
        context.fill();
        context.lineWidth = (1.5 * this.ratio) / scale;
        context.strokeStyle = colours.sectionLine;
        context.stroke();
        const size = Math.min((bottom - top) * 0.3, (right - left) / 6);
        if (size * scale < 7 * this.ratio) return;
        context.font = `600 ${size}px ${font}`;
        context.textAlign = "center";
        context.textBaseline = "middle";
        context.letterSpacing = `${size * 0.3}px`;
        context.fillStyle = colours.stageInk;
        context.fillText("STAGE", (left + right) / 2 + size * 0.15, (top + bottom) / 2);
        context.letterSpacing = "0px";
    }

    #section(context, section, scale) {
        const { house, outlines, looks } = this.#plan;
        const path = outlines[section.index];
        const pad = house.pitch * PAD * 2;
        context.lineJoin = "round";
        context.strokeStyle = this.#style.colours.sectionLine;
        context.lineWidth = pad + (2 * this.ratio) / scale;
        context.stroke(path);
        const fill = this.#fill(section);
        context.strokeStyle = context.fillStyle = fill;
        context.lineWidth = pad;
        context.stroke(path);
        context.fill(path);
        if (!looks.get(section.category).dotted || seatsPart(this.pitch) === 1) return;
        // The second mark of a colour that stands for two prices.
        context.globalAlpha = (1 - seatsPart(this.pitch)) * 0.6;
        context.fillStyle = this.#dots(scale, inkOn(inkOn(fill)));
        context.fill(path);
        context.globalAlpha = 1;
    }

    #fill(section) {
        return sectionFill(section, this.#plan, this.#style.colours.section, seatsPart(this.pitch));
    }

    /** Dots of the same size on every screen, in the colour that the names are not in. */
    #dots(scale, colour) {
        const tile = document.createElement("canvas");
        tile.width = tile.height = Math.round(7 * this.ratio);
        const context = tile.getContext("2d");
        context.fillStyle = colour;
        context.arc(tile.width / 2, tile.height / 2, tile.width * 0.16, 0, 2 * Math.PI);
        context.fill();
        const pattern = context.createPattern(tile, "repeat");
        pattern.setTransform(new DOMMatrix().scale(1 / scale));
        return pattern;
    }

    #place(seat) {
        const { view, margin, ratio } = this;
        const { x, y } = this.#plan.house;
        return {
            x: (x[seat] * view.scale + view.x + margin.x) * ratio,
            y: (y[seat] * view.scale + view.y + margin.y) * ratio,
        };
    }

    #seat(seat) {
        const { house, model, looks } = this.#plan;
        const { x, y } = this.#place(seat);
        const kind = model.kind(seat);
        const place = { x, y, radius: this.radius, square: house.accessible[seat] === 1, dim: model.dim(seat) };
        drawSeat(this.#context, kind, looks.get(house.category[seat]), place, this.#style.colours);
        if (kind === 0 && this.pitch >= NUMBERS_FROM) this.#number(seat, place);
    }

    #number(seat, { x, y, dim }) {
        const { labels, category } = this.#plan.house;
        const context = this.#context;
        const size = this.radius * (labels[seat].length > 2 ? 0.72 : 0.92);
        context.font = `600 ${size}px ${this.#style.font}`;
        context.textAlign = "center";
        context.textBaseline = "middle";
        context.fillStyle = this.#style.inks.get(category[seat]);
        context.globalAlpha = dim ? 0.25 : 1;
        context.fillText(labels[seat], x, y + size * 0.06);
        context.globalAlpha = 1;
    }

    #rowLabels() {
        const { house } = this.#plan;
        const { left, top, right, bottom } = this.#seen();
        const context = this.#context;
        context.font = `600 ${Math.min(13, this.pitch * 0.5) * this.ratio}px ${this.#style.font}`;
        context.textAlign = "center";
        context.textBaseline = "middle";
        context.fillStyle = this.#style.colours.muted;
        for (const { first, count, label } of house.rows) {
            const [x, y] = [house.x[first], house.y[first]];
            if (count < 2 || x < left || x > right || y < top || y > bottom) continue;
            const away = (house.pitch * 0.94) / house.distance(first, first + 1);
            const [at, next] = [this.#place(first), this.#place(first + 1)];
            context.fillText(label, at.x + (at.x - next.x) * away, at.y + (at.y - next.y) * away);
        }
    }
}
