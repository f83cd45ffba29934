// How a seat looks: each state has a shape of its own, so that nobody needs colours to tell them apart.

import { edgeOn } from "./palette.js";

/** The radius of a seat by its width. */
export const RADIUS = 0.42;
/** Below this radius, in pixels, marks can not be seen: a state is a size and a grey then. */
const MARKS_FROM = 4;
/** Below this radius a line round a seat would be all of it. */
const EDGE_FROM = 2.5;

/** What a seat is to the one who looks. The first four are the states on the wire. */
export const Kind = Object.freeze({ FREE: 0, HELD: 1, SOLD: 2, BLOCKED: 3, SELECTED: 4, MINE: 5, BOOKED: 6 });

/**
 * @typedef {object} Look
 * @property {string} colour of the price category
 * @property {boolean} dotted the category's second mark
 */

/**
 * Draws a seat. Each as shapes of its own: that is faster than one large path, and than stamping pictures.
 * @param {CanvasRenderingContext2D} context
 * @param {number} kind one of Kind
 * @param {Look} look
 * @param {{x: number, y: number, radius: number, square: boolean, dim: boolean}} place
 *   `square` for a place for a wheelchair user, `dim` for one of those that are not looked for
 * @param {Record<string, string>} colours
 */
export function drawSeat(context, kind, look, place, colours) {
    const alpha = context.globalAlpha;
    if (place.dim) context.globalAlpha = alpha * (kind === Kind.FREE ? 0.16 : 0.4);
    DRAW[kind](context, place, look, colours);
    if (place.dim) context.globalAlpha = alpha;
}

const DRAW = [free, held, sold, blocked, selected, mine, booked];

function body(context, { x, y, square }, radius) {
    context.beginPath();
    if (square) context.roundRect(x - radius * 0.92, y - radius * 0.92, radius * 1.84, radius * 1.84, radius * 0.3);
    else context.arc(x, y, radius, 0, 2 * Math.PI);
}

function disc(context, place, radius, colour) {
    body(context, place, radius);
    context.fillStyle = colour;
    context.fill();
}

function speck(context, { x, y }, radius, colour) {
    context.fillStyle = colour;
    context.fillRect(x - radius, y - radius, radius * 2, radius * 2);
}

function free(context, place, { colour, dotted }, { section }) {
    const { x, y, radius } = place;
    disc(context, place, radius, colour);
    if (radius < EDGE_FROM) return;
    context.strokeStyle = edgeOn(colour, section);
    context.lineWidth = Math.max(0.75, radius * 0.1);
    context.stroke();
    if (!dotted || radius < MARKS_FROM) return;
    context.beginPath();
    context.arc(x, y - radius * 0.64, Math.max(1, radius * 0.2), 0, 2 * Math.PI);
    context.fillStyle = "#ffffff";
    context.fill();
    context.strokeStyle = "rgb(0 0 0 / 0.5)";
    context.stroke();
}

/** A ring, half filled. */
function held(context, place, look, { held: colour }) {
    const { x, y, radius } = place;
    if (radius < MARKS_FROM) return speck(context, place, radius * 0.6, colour);
    const size = radius * 0.8;
    context.fillStyle = context.strokeStyle = colour;
    context.lineWidth = Math.max(1, radius * 0.16);
    body(context, place, size);
    context.stroke();
    context.beginPath();
    if (place.square) context.rect(x - size, y, size * 2, size);
    else context.arc(x, y, size, 0, Math.PI);
    context.fill();
}

/** A cross. */
function sold(context, place, look, { sold: colour }) {
    const { x, y, radius } = place;
    if (radius < MARKS_FROM) return speck(context, place, radius * 0.42, colour);
    const arm = radius * 0.42;
    context.strokeStyle = colour;
    context.lineWidth = Math.max(1, radius * 0.2);
    context.lineCap = "round";
    context.beginPath();
    context.moveTo(x - arm, y - arm);
    context.lineTo(x + arm, y + arm);
    context.moveTo(x + arm, y - arm);
    context.lineTo(x - arm, y + arm);
    context.stroke();
}

/** A dash. */
function blocked(context, { x, y, radius }, look, { sold: colour }) {
    context.fillStyle = colour;
    const thick = Math.max(0.4, radius * 0.11);
    context.fillRect(x - radius * 0.58, y - thick, radius * 1.16, thick * 2);
}

/** A thick ring round the seat. */
function selected(context, place, { colour }, { ink, section }) {
    disc(context, place, place.radius * 1.36, ink);
    disc(context, place, place.radius * 1.08, section);
    disc(context, place, place.radius * 0.88, colour);
}

/** A ring with a check. */
function mine(context, place, look, { ink, section }) {
    disc(context, place, place.radius * 1.3, ink);
    disc(context, place, place.radius * 1.02, section);
    check(context, place, ink);
}

/** A check on a full disc. */
function booked(context, place, look, { ink, section }) {
    disc(context, place, place.radius * 1.3, ink);
    check(context, place, section);
}

function check(context, { x, y, radius }, colour) {
    context.strokeStyle = colour;
    context.lineWidth = Math.max(1.2, radius * 0.28);
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    context.moveTo(x - radius * 0.48, y + radius * 0.04);
    context.lineTo(x - radius * 0.12, y + radius * 0.42);
    context.lineTo(x + radius * 0.52, y - radius * 0.4);
    context.stroke();
}
