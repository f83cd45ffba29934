// The seat map: a canvas that is drawn when something changed, and not otherwise.

import { Camera } from "./camera.js";
import { Grid } from "./grid.js";
import { RADIUS } from "./glyphs.js";
import { Overlay } from "./overlay.js";
import { categoryLooks, inkOn, palette } from "./palette.js";
import { Pointer } from "./pointer.js";
import { union } from "../sale/house.js";
import { seatsPart } from "./painting.js";
import { Scene } from "./scene.js";
import { step } from "./steps.js";

/** Sharper than this no eye sees, and each step costs four times the pixels. */
const RATIO_MAX = 2.5;
/** A finger hits what is so near, in CSS pixels. */
const TOUCH_REACH_PX = 22;
/** A section that is flown to: its seats are at most so wide, in CSS pixels. */
const SECTION_PITCH_PX = 25;
const SEAT_PITCH_PX = 26;
const ZOOM_STEP = 1.7;
/** Counts of sections need not follow each single change. */
const COUNTS_MS = 250;

/**
 * @typedef {object} Model
 * @property {(seat: number) => number} kind to strangers
 * @property {(seat: number) => boolean} dim not one of those looked for
 * @property {(section: number) => number} free
 *
 * @typedef {object} Listener
 * @property {(seat: number) => void} pick a seat was tapped, or chosen by key
 * @property {(seat: number, at: {x: number, y: number} | null) => void} hover -1 for none
 * @property {(seat: number) => void} focus by key
 * @property {(section: number) => void} section was tapped
 */

export class SeatMap {
    #canvas;
    #context;
    #house;
    #model;
    #listener;
    #pointer;
    #frame = null;
    #moving = false;
    #counts = null;
    #reduced = matchMedia("(prefers-reduced-motion: reduce)");
    #touched = false;

    /**
     * @param {HTMLCanvasElement} canvas
     * @param {import("../sale/house.js").House} house
     * @param {Model} model
     * @param {Listener} listener
     */
    constructor(canvas, house, model, listener) {
        this.#canvas = canvas;
        this.#context = canvas.getContext("2d", { alpha: false });
        this.#house = house;
        this.#model = model;
        this.#listener = listener;
        this.grid = new Grid(house);
        this.looks = categoryLooks(house.categories);
        this.scene = new Scene(house, this.grid, model, this.looks);
        this.camera = new Camera(house.pitch, union([house.bounds, this.scene.stage ?? house.bounds]));
        this.overlay = new Overlay(house, this.looks);
        this.#pointer = new Pointer(canvas, this.#gestures());
        canvas.addEventListener("keydown", (event) => this.#key(event));
        canvas.addEventListener("blur", () => this.#setFocus(-1));
        new ResizeObserver(() => this.resize()).observe(canvas);
        matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.restyle());
        this.#reduced.addEventListener("change", () => this.restyle());
        this.restyle();
        this.resize();
    }

    /** Colours and motion, as the page's style says now. */
    restyle() {
        const colours = palette(this.#canvas);
        const font = getComputedStyle(this.#canvas).fontFamily;
        const inks = new Map([...this.looks].map(([category, { colour }]) => [category, inkOn(colour)]));
        this.scene.style = { ...this.scene.style, colours, font, inks };
        Object.assign(this.overlay, { colours, font });
        this.camera.still = this.#reduced.matches;
        this.#pointer.glides = !this.#reduced.matches;
        this.repaint();
    }

    resize() {
        const { clientWidth: width, clientHeight: height } = this.#canvas;
        if (width === 0 || height === 0) return;
        const ratio = Math.min(RATIO_MAX, devicePixelRatio || 1);
        this.scene.style = { ...this.scene.style, ratio };
        this.overlay.ratio = ratio;
        [this.#canvas.width, this.#canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
        Object.assign(this.camera, { width, height });
        if (!this.#touched) this.camera.jumpTo(this.camera.whole);
        else if (!this.camera.flying) this.camera.jumpTo(this.camera.view);
        this.repaint();
    }

    /** What lies over the canvas, in CSS pixels. */
    set insets(insets) {
        this.camera.insets = insets;
        this.resize();
    }

    /** @param {Iterable<number>} seats are in another state now */
    changed(seats) {
        const list = [...seats];
        const seen = seatsPart(this.camera.pitch);
        if (seen > 0) this.scene.patch(list);
        if (seen < 1) this.#recount();
        if (!this.#reduced.matches && seen > 0) this.overlay.pulse(list, performance.now());
        this.draw();
    }

    #recount() {
        this.#counts ??= setTimeout(() => {
            this.#counts = null;
            this.repaint();
        }, COUNTS_MS);
    }

    /** @param {Map<number, number>} own seats of the one who looks, by kind */
    set own(own) {
        this.overlay.own = own;
        this.draw();
    }

    /** Paints all anew. */
    repaint() {
        this.scene.forget();
        this.draw();
    }

    /** At the next frame. */
    draw() {
        this.#frame ??= requestAnimationFrame((now) => this.#draw(now));
    }

    #draw(now) {
        this.#frame = null;
        if (this.#canvas.width === 0) return;
        const flying = this.camera.step(now);
        this.#context.setTransform(1, 0, 0, 1, 0, 0);
        const painting = this.scene.show(this.#context, this.camera, this.#moving || flying);
        const lively = this.overlay.draw(this.#context, this.camera, this.#model, now);
        if (flying || painting || lively) this.draw();
    }

    /** @returns {number} the seat at a place of the canvas; -1 for none */
    seatAt(x, y, touch = false) {
        if (seatsPart(this.camera.pitch) < 0.5) return -1;
        const at = this.camera.toHouse(x, y);
        const own = this.#house.pitch * (RADIUS + 0.1);
        // From afar a finger covers many seats: then it means the place rather than one of them.
        const reach = touch && this.camera.pitch > 9 ? Math.max(own, TOUCH_REACH_PX / this.camera.view.scale) : own;
        return this.grid.nearest(at.x, at.y, Math.max(own, Math.min(reach, this.#house.pitch * 1.2)));
    }

    /** @returns {number} the section at a place of the canvas; -1 for none */
    sectionAt(x, y) {
        const at = this.camera.toHouse(x, y);
        const seat = this.grid.nearest(at.x, at.y, this.#house.pitch * 3);
        return seat < 0 ? -1 : this.#house.section(seat).index;
    }

    /** Where a seat is on the canvas, in CSS pixels. */
    place(seat) {
        return this.camera.toScreen(this.#house.x[seat], this.#house.y[seat]);
    }

    zoomBy(steps) {
        const { width, height, insets } = this.camera;
        const middle = { x: (width + insets.left - insets.right) / 2, y: (height + insets.top - insets.bottom) / 2 };
        this.#touched = true;
        this.camera.flyAt(middle.x, middle.y, ZOOM_STEP ** steps);
        this.draw();
    }

    showWhole() {
        this.#touched = false;
        this.camera.flyTo(this.camera.whole);
        this.draw();
    }

    /** @param {number} index of the section */
    showSection(index) {
        this.#show(this.#house.sections[index].bounds, SECTION_PITCH_PX);
    }

    /** @param {number[]} seats */
    showSeats(seats) {
        const { x, y, pitch } = this.#house;
        const [xs, ys] = [seats.map((seat) => x[seat]), seats.map((seat) => y[seat])];
        const around = pitch * 5;
        this.#show(
            {
                left: Math.min(...xs) - around,
                right: Math.max(...xs) + around,
                top: Math.min(...ys) - around,
                bottom: Math.max(...ys) + around,
            },
            SEAT_PITCH_PX,
        );
    }

    #show(bounds, pitch) {
        this.#touched = true;
        this.camera.flyTo(this.camera.fitting(bounds, pitch));
        this.draw();
    }

    #gestures() {
        const camera = this.camera;
        const moved = () => {
            this.#touched = true;
            this.draw();
        };
        return {
            pan: (dx, dy) => moved(camera.pan(dx, dy)),
            zoom: (x, y, factor) => moved(camera.zoomAt(x, y, factor)),
            tap: (x, y, touch) => this.#tap(x, y, touch),
            doubleTap: (x, y) => {
                if (this.seatAt(x, y) < 0) moved(camera.flyAt(x, y, ZOOM_STEP ** 1.5));
                else this.#tap(x, y, false);
            },
            hover: (x, y) => this.#hover(x, y),
            leave: () => this.#hover(-1e6, -1e6),
            moving: (moving) => {
                this.#moving = moving;
                this.draw();
            },
        };
    }

    #tap(x, y, touch) {
        const seat = this.seatAt(x, y, touch);
        // Too small to be meant: the first tap comes nearer.
        if (seat >= 0 && (!touch || this.camera.pitch > 9)) return this.#listener.pick(seat);
        const section = this.sectionAt(x, y);
        if (section < 0) return;
        this.showSection(section);
        this.#listener.section(section);
    }

    #hover(x, y) {
        const seat = this.seatAt(x, y);
        const section = seat < 0 && seatsPart(this.camera.pitch) < 0.5 ? this.sectionAt(x, y) : -1;
        const { overlay } = this;
        if (seat === overlay.hover && section === overlay.hoverSection) return;
        [overlay.hover, overlay.hoverSection] = [seat, section];
        this.#canvas.style.cursor = seat >= 0 || section >= 0 ? "pointer" : "";
        this.#listener.hover(seat, seat >= 0 ? this.place(seat) : null);
        this.draw();
    }

    #key(event) {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const { key } = event;
        if (key === "+" || key === "=") this.zoomBy(1);
        else if (key === "-") this.zoomBy(-1);
        else if (key === "0") this.showWhole();
        else if (key === "Enter" || key === " ") this.#enter();
        else if (!this.#step(key)) return;
        event.preventDefault();
    }

    #enter() {
        if (this.overlay.focus >= 0) this.#listener.pick(this.overlay.focus);
        else this.#step("ArrowRight");
    }

    #step(key) {
        const from = this.overlay.focus;
        const { camera } = this;
        const middle = camera.toHouse(camera.width / 2, camera.height / 2);
        const start = () => this.grid.best(middle.x, middle.y, 1e6, (dx, dy) => dx * dx + dy * dy);
        const seat =
            from >= 0
                ? step(this.#house, this.grid, from, key)
                : step(this.#house, this.grid, 0, key) !== undefined && start();
        if (seat === undefined || seat === false) return false;
        this.#setFocus(seat);
        this.#reveal(seat);
        this.#listener.focus(seat);
        return true;
    }

    #setFocus(seat) {
        this.overlay.focus = seat;
        this.draw();
    }

    /** Brings a seat into view, near enough to see it. */
    #reveal(seat) {
        const { camera } = this;
        const at = this.place(seat);
        const { insets, width, height } = camera;
        const inside =
            at.x > insets.left + 60 &&
            at.x < width - insets.right - 60 &&
            at.y > insets.top + 60 &&
            at.y < height - insets.bottom - 60;
        if (camera.pitch < 14) this.showSeats([seat]);
        else if (!inside && !camera.flying) {
            const { scale } = camera.view;
            const [x, y] = [this.#house.x[seat], this.#house.y[seat]];
            camera.flyTo({ scale, x: width / 2 - x * scale, y: height / 2 - y * scale });
        }
        this.draw();
    }
}
