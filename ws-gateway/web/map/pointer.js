// Mouse, touch and wheel: drag, pinch, wheel, tap.

/** A touch that moved less, in CSS pixels, and took no longer, in milliseconds, is a tap. */
const TAP_PX = 8;
const TAP_MS = 500;
const DOUBLE_TAP_MS = 320;
const WHEEL_STEP = 0.0016;
const WHEEL_MAX = 240;
/** A drag goes on by itself while faster than this, in CSS pixels a millisecond. */
const GLIDE_FROM = 0.25;
const GLIDE_LOSS_PER_MS = 0.0045;

/**
 * @typedef {object} Gestures
 * @property {(dx: number, dy: number) => void} pan
 * @property {(x: number, y: number, factor: number) => void} zoom
 * @property {(x: number, y: number, touch: boolean) => void} tap
 * @property {(x: number, y: number) => void} doubleTap
 * @property {(x: number, y: number) => void} hover
 * @property {() => void} leave
 * @property {(moving: boolean) => void} moving
 */

export class Pointer {
    #canvas;
    #gestures;
    #down = new Map();
    #start = null;
    #speed = { x: 0, y: 0 };
    #glide = null;
    #lastTap = { time: 0, x: 0, y: 0 };
    #wheelEnd = null;
    /** Whether a drag may go on by itself. */
    glides = true;

    /**
     * @param {HTMLCanvasElement} canvas
     * @param {Gestures} gestures
     */
    constructor(canvas, gestures) {
        this.#canvas = canvas;
        this.#gestures = gestures;
        canvas.addEventListener("pointerdown", (event) => this.#press(event));
        canvas.addEventListener("pointermove", (event) => this.#move(event));
        canvas.addEventListener("pointerup", (event) => this.#lift(event, true));
        canvas.addEventListener("pointercancel", (event) => this.#lift(event, false));
        canvas.addEventListener("pointerleave", () => gestures.leave());
        canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    }

    #at({ clientX, clientY }) {
        const { left, top } = this.#canvas.getBoundingClientRect();
        return { x: clientX - left, y: clientY - top };
    }

    #press(event) {
        if (event.button !== 0) return;
        this.#stopGlide();
        this.#canvas.setPointerCapture(event.pointerId);
        const at = this.#at(event);
        this.#down.set(event.pointerId, at);
        this.#start = this.#down.size === 1 ? { ...at, time: event.timeStamp, moved: false } : null;
        this.#speed = { x: 0, y: 0, time: event.timeStamp };
    }

    #move(event) {
        const at = this.#at(event);
        const before = this.#down.get(event.pointerId);
        if (!before) {
            if (event.pointerType === "mouse") this.#gestures.hover(at.x, at.y);
            return;
        }
        if (this.#start && !this.#start.moved) {
            if (Math.hypot(at.x - this.#start.x, at.y - this.#start.y) < TAP_PX) return;
            this.#start.moved = true;
            this.#gestures.leave();
            this.#gestures.moving(true);
        }
        if (this.#down.size === 2) this.#pinch(event.pointerId, before, at);
        else this.#drag(event, before, at);
        this.#down.set(event.pointerId, at);
    }

    #drag({ timeStamp }, before, at) {
        const [dx, dy] = [at.x - before.x, at.y - before.y];
        const time = Math.max(1, timeStamp - this.#speed.time);
        const part = Math.min(1, time / 60);
        const blend = (old, distance) => old * (1 - part) + (distance / time) * part;
        this.#speed = { x: blend(this.#speed.x, dx), y: blend(this.#speed.y, dy), time: timeStamp };
        this.#gestures.pan(dx, dy);
    }

    #pinch(id, before, at) {
        const [, other] = [...this.#down].find(([key]) => key !== id);
        const distance = (a) => Math.max(10, Math.hypot(a.x - other.x, a.y - other.y));
        const middle = (a) => ({ x: (a.x + other.x) / 2, y: (a.y + other.y) / 2 });
        const [from, to] = [middle(before), middle(at)];
        this.#gestures.moving(true);
        this.#gestures.pan(to.x - from.x, to.y - from.y);
        this.#gestures.zoom(to.x, to.y, distance(at) / distance(before));
    }

    #lift(event, meant) {
        const at = this.#down.get(event.pointerId);
        if (!at) return;
        this.#down.delete(event.pointerId);
        const start = this.#start;
        if (this.#down.size > 0) return;
        this.#start = null;
        if (start && !start.moved && meant && event.timeStamp - start.time < TAP_MS) this.#tap(event, at);
        else if (start?.moved && event.timeStamp - this.#speed.time < 80) this.#startGlide();
        else this.#gestures.moving(false);
    }

    #tap({ timeStamp, pointerType }, { x, y }) {
        const last = this.#lastTap;
        this.#lastTap = { time: timeStamp, x, y };
        if (timeStamp - last.time < DOUBLE_TAP_MS && Math.hypot(x - last.x, y - last.y) < 30)
            this.#gestures.doubleTap(x, y);
        else this.#gestures.tap(x, y, pointerType !== "mouse");
    }

    #startGlide() {
        let { x, y } = this.#speed;
        let last = performance.now();
        const step = (now) => {
            const time = Math.max(0, now - last);
            last = now;
            const keep = Math.exp(-GLIDE_LOSS_PER_MS * time);
            this.#gestures.pan(x * time, y * time);
            [x, y] = [x * keep, y * keep];
            if (Math.hypot(x, y) > 0.02) this.#glide = requestAnimationFrame(step);
            else this.#stopGlide();
        };
        if (this.glides && Math.hypot(x, y) > GLIDE_FROM) this.#glide = requestAnimationFrame(step);
        else this.#stopGlide();
    }

    #stopGlide() {
        cancelAnimationFrame(this.#glide);
        this.#glide = null;
        this.#gestures.moving(false);
    }

    #wheel(event) {
        event.preventDefault();
        this.#stopGlide();
        const lines = event.deltaMode === 1 ? 18 : 1;
        // A pinch on a trackpad comes as a wheel with the control key, in small steps.
        const step = event.ctrlKey ? WHEEL_STEP * 6 : WHEEL_STEP;
        const delta = Math.max(-WHEEL_MAX, Math.min(WHEEL_MAX, event.deltaY * lines));
        const { x, y } = this.#at(event);
        this.#gestures.moving(true);
        this.#gestures.zoom(x, y, Math.exp(-delta * step));
        clearTimeout(this.#wheelEnd);
        this.#wheelEnd = setTimeout(() => this.#gestures.moving(false), 140);
    }
}
