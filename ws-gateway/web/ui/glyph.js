// A seat as the map draws it, for legends and lists.

import { drawSeat } from "../map/glyphs.js";
import { palette } from "../map/palette.js";

const SIZE = 22;
const RADIUS = 7.2;

/**
 * @param {number} kind one of Kind
 * @param {import("../map/glyphs.js").Look} look of the price category
 * @param {boolean} [square] a place for a wheelchair user
 * @returns {HTMLCanvasElement}
 */
export function glyph(kind, look, square = false) {
    const canvas = document.createElement("canvas");
    canvas.className = "glyph";
    canvas.setAttribute("aria-hidden", "true");
    const paint = () => {
        if (!canvas.isConnected) return;
        const ratio = Math.min(3, devicePixelRatio || 1);
        canvas.width = canvas.height = SIZE * ratio;
        const context = canvas.getContext("2d");
        context.scale(ratio, ratio);
        const place = { x: SIZE / 2, y: SIZE / 2, radius: RADIUS, square, dim: false };
        drawSeat(context, kind, look, place, palette(canvas));
    };
    // The style is known once the canvas is in the page.
    requestAnimationFrame(paint);
    canvas.repaint = paint;
    return canvas;
}

/** After the page's colours changed. */
export function repaintGlyphs() {
    for (const canvas of document.querySelectorAll("canvas.glyph")) canvas.repaint();
}
