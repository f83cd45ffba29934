// Which part of the house is seen: screen = house * scale + offset, in CSS pixels and centimetres.

/** Near enough to read the number on a seat: its width in CSS pixels. */
const PITCH_PX_MAX = 58;
/** The whole house, and a little around it. */
const FIT = 0.94;
/** No further out than this part of the whole house. */
const OUT_MAX = 0.8;
const FLIGHT_MS = 420;

/**
 * @typedef {{scale: number, x: number, y: number}} View
 * @typedef {{left: number, top: number, right: number, bottom: number}} Insets
 */

export class Camera {
    #pitch;
    #bounds;
    #flight = null;
    /** @type {Insets} CSS pixels that something lies over, which is not to be fitted into. */
    insets = { left: 0, top: 0, right: 0, bottom: 0 };
    width = 1;
    height = 1;
    /** Whether flights are shown at all. */
    still = false;

    /**
     * @param {number} pitch the width of a seat, in centimetres
     * @param {{left: number, top: number, right: number, bottom: number}} bounds of all there is, in centimetres
     */
    constructor(pitch, bounds) {
        this.#pitch = pitch;
        this.#bounds = bounds;
        /** @type {View} */
        this.view = { scale: 1, x: 0, y: 0 };
    }

    /** The width of a seat, in CSS pixels. */
    get pitch() {
        return this.view.scale * this.#pitch;
    }

    get flying() {
        return this.#flight !== null;
    }

    toScreen(x, y) {
        const { scale, x: dx, y: dy } = this.view;
        return { x: x * scale + dx, y: y * scale + dy };
    }

    toHouse(x, y) {
        const { scale, x: dx, y: dy } = this.view;
        return { x: (x - dx) / scale, y: (y - dy) / scale };
    }

    pan(dx, dy) {
        this.#flight = null;
        this.view = this.#clamp({ ...this.view, x: this.view.x + dx, y: this.view.y + dy });
    }

    /** The point under (x, y) stays there. */
    zoomAt(x, y, factor) {
        this.#flight = null;
        this.view = this.#zoomed(this.view, x, y, factor);
    }

    /** As `zoomAt`, as a flight. */
    flyAt(x, y, factor) {
        this.flyTo(this.#zoomed(this.#flight?.to ?? this.view, x, y, factor));
    }

    /**
     * What shows a rectangle of the house whole.
     * @param {number} [pitchMax] no nearer than so many pixels a seat
     * @returns {View}
     */
    fitting({ left, top, right, bottom }, pitchMax = PITCH_PX_MAX) {
        const margin = this.#pitch * 2;
        const { insets } = this;
        const width = Math.max(80, this.width - insets.left - insets.right);
        const height = Math.max(80, this.height - insets.top - insets.bottom);
        const fit = Math.min(width / (right - left + 2 * margin), height / (bottom - top + 2 * margin)) * FIT;
        const scale = Math.min(fit, pitchMax / this.#pitch);
        return {
            scale,
            x: insets.left + width / 2 - ((left + right) / 2) * scale,
            y: insets.top + height / 2 - ((top + bottom) / 2) * scale,
        };
    }

    get whole() {
        return this.fitting(this.#bounds);
    }

    /** @param {View} view */
    jumpTo(view) {
        this.#flight = null;
        this.view = this.#clamp(view);
    }

    /** @param {View} view */
    flyTo(view) {
        if (this.still) return this.jumpTo(view);
        this.#flight = { from: this.view, to: this.#clamp(view), start: performance.now() };
    }

    /** Moves on to this moment. @returns {boolean} whether the flight goes on */
    step(now) {
        if (!this.#flight) return false;
        const { from, to, start } = this.#flight;
        const t = Math.min(1, Math.max(0, (now - start) / FLIGHT_MS));
        const eased = 1 - (1 - t) ** 3;
        const scale = from.scale * (to.scale / from.scale) ** eased;
        // Offsets follow the scale, so that the flight goes straight at its aim.
        const part = Math.abs(to.scale - from.scale) < 1e-9 ? eased : (scale - from.scale) / (to.scale - from.scale);
        this.view = { scale, x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part };
        if (t === 1) this.#flight = null;
        return t < 1;
    }

    #zoomed(view, x, y, factor) {
        const scale = this.#clampScale(view.scale * factor);
        const real = scale / view.scale;
        return this.#clamp({ scale, x: x - (x - view.x) * real, y: y - (y - view.y) * real });
    }

    #clampScale(scale) {
        const most = PITCH_PX_MAX / this.#pitch;
        return Math.min(most, Math.max(Math.min(most, this.whole.scale * OUT_MAX), scale));
    }

    /** The house can not be lost: its middle half stays near. */
    #clamp({ scale, x, y }) {
        const { left, top, right, bottom } = this.#bounds;
        const keep = (offset, low, high, length) => {
            const [least, most] = [length / 2 - high * scale, length / 2 - low * scale];
            return Math.min(Math.max(offset, least), most);
        };
        const middleX = (this.insets.left - this.insets.right) / 2;
        const middleY = (this.insets.top - this.insets.bottom) / 2;
        return {
            scale: this.#clampScale(scale),
            x: keep(x - middleX, left, right, this.width) + middleX,
            y: keep(y - middleY, top, bottom, this.height) + middleY,
        };
    }
}
