// Shows the newest painting that there is, moved and stretched to the view, while the next one is made.

import { outline, stage } from "./outlines.js";
import { Painting, seatsPart } from "./painting.js";

/** For painting in each frame, in milliseconds: the rest of it is the browser's. */
const SLICE_MS = 5;
/** While the view moves a painting may be shown at so much another scale before the next one is begun. */
const STRETCH_MAX = 1.35;

export class Scene {
    #plan;
    #shown = null;
    #next = null;
    #old = false;
    #canvases = [document.createElement("canvas"), document.createElement("canvas")];
    /** @type {{colours: Record<string, string>, inks: Map<number, string>, font: string, ratio: number}} */
    style = { colours: {}, inks: new Map(), font: "sans-serif", ratio: 1 };

    /**
     * @param {import("../sale/house.js").House} house
     * @param {import("./grid.js").Grid} grid
     * @param {import("./map.js").Model} model
     * @param {Map<number, import("./glyphs.js").Look>} looks of the price categories
     */
    constructor(house, grid, model, looks) {
        const outlines = house.sections.map((section) => outline(house, section));
        this.stage = stage(house);
        this.#plan = { house, grid, model, looks, outlines, stage: this.stage };
    }

    /** Everything may look another way: what is shown is old. */
    forget() {
        this.#old = true;
    }

    /**
     * @param {CanvasRenderingContext2D} context in device pixels
     * @param {import("./camera.js").Camera} camera
     * @param {boolean} moving the view is about to change again: sharpness can wait
     * @returns {boolean} whether the next painting is under way
     */
    show(context, camera, moving) {
        if (!this.#shown || !fits(this.#shown, camera, this.style.ratio)) this.#paintNow(camera);
        else this.#paintOn(camera, moving);
        const { view, margin, canvas } = this.#shown;
        const { ratio, colours } = this.style;
        const stretch = camera.view.scale / view.scale;
        const place = (offset, painted, beyond) => (offset - (painted + beyond) * stretch) * ratio;
        const x = place(camera.view.x, view.x, margin.x);
        const y = place(camera.view.y, view.y, margin.y);
        if (!covers(this.#shown, camera)) {
            context.fillStyle = colours.ground;
            context.fillRect(0, 0, camera.width * ratio, camera.height * ratio);
        }
        if (stretch === 1) context.drawImage(canvas, Math.round(x), Math.round(y));
        else context.drawImage(canvas, x, y, canvas.width * stretch, canvas.height * stretch);
        return this.#next !== null;
    }

    /** There is nothing to show in the meantime. */
    #paintNow(camera) {
        this.#next = null;
        this.#shown = this.#begin(camera);
        this.#shown.work(Infinity);
    }

    #paintOn(camera, moving) {
        if (!this.#next && (this.#old || !good(this.#shown, camera, moving))) this.#next = this.#begin(camera);
        if (!this.#next) return;
        this.#next.work(SLICE_MS);
        if (!this.#next.done) return;
        [this.#shown, this.#next] = [this.#next, null];
        // What was asked for in the meantime may need another one.
        if (this.#old || !good(this.#shown, camera, moving)) this.#next = this.#begin(camera);
    }

    #begin(camera) {
        this.#old = false;
        const canvas = this.#canvases.find((one) => one !== this.#shown?.canvas);
        return new Painting(canvas, this.#plan, this.style, camera);
    }

    /**
     * Seats are in another state.
     * @param {number[]} seats
     */
    patch(seats) {
        for (const painting of [this.#shown, this.#next]) {
            if (!painting) continue;
            if (seatsPart(painting.pitch) > 0) painting.patch(seats);
            else this.#old = true;
        }
    }
}

function fits(painting, { width, height }, ratio) {
    return painting.width === width && painting.height === height && painting.ratio === ratio;
}

/** Whether there is no need for a new one. */
function good(painting, camera, moving) {
    const stretch = camera.view.scale / painting.view.scale;
    const sharp = stretch === 1 || (moving && stretch < STRETCH_MAX && stretch > 1 / STRETCH_MAX);
    return sharp && covers(painting, camera);
}

/** Whether it has all that the camera sees. */
function covers({ view, margin, width, height }, camera) {
    const stretch = camera.view.scale / view.scale;
    const left = camera.view.x - (view.x + margin.x) * stretch;
    const top = camera.view.y - (view.y + margin.y) * stretch;
    const right = left + (width + 2 * margin.x) * stretch;
    const bottom = top + (height + 2 * margin.y) * stretch;
    return left <= 0 && top <= 0 && right >= camera.width && bottom >= camera.height;
}
