// Finds seats by their place, without looking at all of them.

/** Of a cell, in seat widths. */
const CELL_PITCHES = 6;

export class Grid {
    #house;
    #cell;
    #cells = new Map();

    /** @param {import("../sale/house.js").House} house */
    constructor(house) {
        this.#house = house;
        this.#cell = house.pitch * CELL_PITCHES;
        for (let seat = 0; seat < house.seatCount; seat += 1) {
            const key = this.#key(this.#at(house.x[seat]), this.#at(house.y[seat]));
            const cell = this.#cells.get(key);
            if (cell) cell.push(seat);
            else this.#cells.set(key, [seat]);
        }
    }

    /**
     * Calls `visit` with each seat of the cells that the rectangle touches: some lie outside.
     * @param {{left: number, top: number, right: number, bottom: number}} rectangle in centimetres
     * @param {(seat: number) => void} visit
     */
    each({ left, top, right, bottom }, visit) {
        const { bounds } = this.#house;
        const [fromX, toX] = [this.#at(Math.max(left, bounds.left)), this.#at(Math.min(right, bounds.right))];
        const [fromY, toY] = [this.#at(Math.max(top, bounds.top)), this.#at(Math.min(bottom, bounds.bottom))];
        for (let y = fromY; y <= toY; y += 1) {
            for (let x = fromX; x <= toX; x += 1) {
                this.#cells.get(this.#key(x, y))?.forEach(visit);
            }
        }
    }

    /**
     * @param {number} x centimetres
     * @param {number} y centimetres
     * @param {number} reach centimetres
     * @returns {number} the nearest seat within reach; -1 for none
     */
    nearest(x, y, reach) {
        return this.best(x, y, reach, (dx, dy) => {
            const distance = Math.hypot(dx, dy);
            return distance <= reach ? distance : Infinity;
        });
    }

    /**
     * The seat with the least cost; -1 where all are infinite.
     * @param {number} x
     * @param {number} y
     * @param {number} reach how far to look, in centimetres
     * @param {(dx: number, dy: number, seat: number) => number} cost
     */
    best(x, y, reach, cost) {
        const { x: xs, y: ys } = this.#house;
        let [found, least] = [-1, Infinity];
        this.each({ left: x - reach, right: x + reach, top: y - reach, bottom: y + reach }, (seat) => {
            const value = cost(xs[seat] - x, ys[seat] - y, seat);
            if (value < least) [found, least] = [seat, value];
        });
        return found;
    }

    #at(centimetres) {
        return Math.floor(centimetres / this.#cell);
    }

    // No house is 2^15 cells wide to either side: the plan ends at 1,000 m.
    #key(x, y) {
        return (x + 32_768) * 65_536 + y + 32_768;
    }
}
