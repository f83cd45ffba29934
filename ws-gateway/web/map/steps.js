// Where the arrow keys lead: to the next seat as the eye sees it, whatever way the rows run.

/** How far to look for the next seat, in seat widths: first close by, then over aisles and gangways. */
const REACHES = [3, 9, 30];
/** A step aside costs so much more than one ahead. */
const ASIDE = 2.6;

const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * @param {import("../sale/house.js").House} house
 * @param {import("./grid.js").Grid} grid
 * @param {number} seat
 * @param {string} key as in KeyboardEvent: arrows, Home and End (of the row), PageUp and PageDown (sections)
 * @returns {number | undefined} the seat that the key leads to; undefined for keys that lead nowhere
 */
export function step(house, grid, seat, key) {
    if (key in DIRECTIONS) return toward(house, grid, seat, DIRECTIONS[key]);
    const { first, count, section } = house.row(seat);
    if (key === "Home") return first;
    if (key === "End") return first + count - 1;
    if (key !== "PageDown" && key !== "PageUp") return undefined;
    const { length } = house.sections;
    const next = house.sections[(section.index + (key === "PageDown" ? 1 : length - 1)) % length];
    const { first: start, count: many } = next.rows[0];
    return start + (many >> 1);
}

function toward(house, grid, seat, [right, down]) {
    const [x, y] = [house.x[seat], house.y[seat]];
    for (const reach of REACHES) {
        const found = grid.best(x, y, reach * house.pitch, (dx, dy, other) => {
            const ahead = dx * right + dy * down;
            const aside = Math.abs(dx * down) + Math.abs(dy * right);
            if (other === seat || ahead <= aside * 0.6) return Infinity;
            return ahead + aside * ASIDE;
        });
        if (found >= 0) return found;
    }
    return seat;
}
