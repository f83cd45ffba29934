// The shapes of sections and of the stage, in centimetres.

/** Around the outermost seats, in seat widths. */
export const PAD = 1.3;
/** How deep a stage is where nothing bounds it, in centimetres, and how wide by its depth. */
const STAGE_DEPTH_CM = 700;
const STAGE_WIDTH_MAX = 2.3;
/** Seats this far from the middle stand in front of the stage or behind it. */
const STAGE_MIDDLE_CM = 300;
const STAGE_CLEARANCE_CM = 230;
const STAGE_DEPTH_CM_MIN = 150;

/**
 * Round a section: along its first row, down the ends of the rows, back along the last. So curved sections stay curved.
 * Stroked with a width of twice the pad it has round corners.
 * @param {import("../sale/house.js").House} house
 * @param {import("../sale/house.js").Section} section
 * @returns {Path2D}
 */
export function outline({ x, y }, { rows }) {
    const path = new Path2D();
    if (rows.length === 0) return path;
    const ends = rows.map(({ first, count }) => [first, first + count - 1]);
    const [front, back] = [ends[0], ends.at(-1)];
    const seats = [];
    for (let seat = front[0]; seat <= front[1]; seat += 1) seats.push(seat);
    for (const [, last] of ends.slice(1, -1)) seats.push(last);
    if (rows.length > 1) for (let seat = back[1]; seat >= back[0]; seat -= 1) seats.push(seat);
    for (const [first] of ends.slice(1, -1).reverse()) seats.push(first);
    for (const seat of seats) path.lineTo(x[seat], y[seat]);
    path.closePath();
    return path;
}

/**
 * Where the stage can be: plans have it at their origin, with the rows before it.
 * @param {import("../sale/house.js").House} house
 * @returns {{left: number, top: number, right: number, bottom: number} | null}
 */
export function stage({ x, y, seatCount }) {
    let [front, behind] = [Infinity, -Infinity];
    for (let seat = 0; seat < seatCount; seat += 1) {
        if (Math.abs(x[seat]) > STAGE_MIDDLE_CM) continue;
        if (y[seat] > 0) front = Math.min(front, y[seat]);
        else behind = Math.max(behind, y[seat]);
    }
    if (front === Infinity) return null;
    const bottom = front - STAGE_CLEARANCE_CM;
    const top = Math.max(behind + STAGE_CLEARANCE_CM, bottom - STAGE_DEPTH_CM);
    if (bottom - top < STAGE_DEPTH_CM_MIN) return null;
    let half = ((bottom - top) * STAGE_WIDTH_MAX) / 2;
    for (let seat = 0; seat < seatCount; seat += 1) {
        const beside = y[seat] > top - STAGE_CLEARANCE_CM && y[seat] < bottom;
        if (beside && Math.abs(x[seat]) > STAGE_MIDDLE_CM)
            half = Math.min(half, Math.abs(x[seat]) - STAGE_CLEARANCE_CM);
    }
    return { left: -half, right: half, top, bottom };
}
