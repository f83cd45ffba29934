// What one watcher knows of the seats: two bits a seat, as on the wire, and how many are free in each range.

/** The numbers are the two bits of a seat. */
export const SeatState = Object.freeze({ FREE: 0, HELD: 1, SOLD: 2, BLOCKED: 3 });

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    return crc;
});

/**
 * CRC-32 (ISO-HDLC, as in zip).
 * @param {Uint8Array} bytes
 * @returns {number} unsigned
 */
export function crc32(bytes) {
    let crc = 0xffffffff;
    for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
    return (crc ^ 0xffffffff) >>> 0;
}

/** @typedef {{first: number, count: number}} Range seats from `first` on */

export class Board {
    #packed = new Uint8Array();
    #ranges = [];
    #free = [];
    #watched;

    /**
     * @param {object} [options]
     * @param {Range[]} [options.watched] the only seats that are watched; all where absent
     * @param {Range[]} [options.ranges] count free seats in these, ascending and apart from each other
     */
    constructor({ watched, ranges = [] } = {}) {
        // As on the wire: by seat id.
        this.#watched = watched && [...watched].sort((a, b) => a.first - b.first);
        this.#ranges = ranges;
        /** @type {{epoch: number, version: number} | null} what the states are of; null before the first snapshot */
        this.position = null;
    }

    /** @returns {number} one of SeatState; BLOCKED for a seat that is not watched */
    get(seat) {
        const place = this.#place(seat);
        const byte = this.#packed[place >> 2];
        if (place < 0 || byte === undefined) return SeatState.BLOCKED;
        return (byte >> (6 - 2 * (place & 3))) & 3;
    }

    /** @returns {number} how many seats of the range with this index are free */
    free(range) {
        return this.#free[range] ?? 0;
    }

    /** Counts free seats in these ranges from now on. */
    set ranges(ranges) {
        this.#ranges = ranges;
        this.#count();
    }

    /** Over the watched seats. */
    get checksum() {
        return crc32(this.#packed);
    }

    /**
     * Takes the place of all that is known.
     * @param {import("./frames.js").Snapshot} snapshot
     * @returns {number[]} the seats that differ from before, ascending; none at the first time
     */
    replace({ epoch, version, packed }) {
        const before = this.#packed;
        const changed = before.length === packed.length ? this.#difference(before, packed) : [];
        this.#packed = packed;
        this.position = { epoch, version };
        this.#count();
        return changed;
    }

    /**
     * Takes changes over. Those that start before what is known are merged states and may be applied all the same.
     * @param {import("./frames.js").Changes} changes
     * @returns {number[] | null} the seats whose state is another now; null where something in between is missing
     */
    apply({ epoch, afterVersion, version, lists }) {
        const at = this.position;
        if (!at || at.epoch !== epoch || afterVersion > at.version) return null;
        if (version <= at.version) return [];
        const changed = [];
        for (const [state, seats] of lists.entries()) {
            for (const seat of seats) {
                const outcome = this.#set(seat, state);
                if (outcome === null) return null;
                if (outcome) changed.push(seat);
            }
        }
        this.position = { epoch, version };
        return changed;
    }

    /**
     * Whether a heartbeat finds the board whole. One that does moves the version on: ranges without a watched seat are
     * not sent.
     * @param {import("./frames.js").Heartbeat} heartbeat
     */
    verify({ epoch, version, checksum }) {
        const at = this.position;
        if (!at || epoch > at.epoch) return false;
        // Of an older state, by a gateway that lags: says nothing of ours.
        if (epoch < at.epoch || version < at.version) return true;
        if (checksum !== this.checksum) return false;
        this.position = { epoch, version };
        return true;
    }

    /** Null for a seat that there is not; else whether it was another state. */
    #set(seat, state) {
        const place = this.#place(seat);
        if (place < 0 || place >= this.#packed.length * 4) return null;
        const before = this.get(seat);
        if (before === state) return false;
        const shift = 6 - 2 * (place & 3);
        this.#packed[place >> 2] = (this.#packed[place >> 2] & ~(3 << shift)) | (state << shift);
        const range = find(this.#ranges, seat);
        if (range >= 0) this.#free[range] += (state === SeatState.FREE) - (before === SeatState.FREE);
        return true;
    }

    /** Where a seat is in the packed states; -1 where it is not watched. */
    #place(seat) {
        if (!this.#watched) return seat;
        let before = 0;
        for (const { first, count } of this.#watched) {
            if (seat < first) return -1;
            if (seat < first + count) return before + seat - first;
            before += count;
        }
        return -1;
    }

    #difference(before, after) {
        const places = [];
        for (let byte = 0; byte < after.length; byte += 1) {
            const bits = before[byte] ^ after[byte];
            for (let place = 0; bits && place < 4; place += 1) {
                if ((bits >> (6 - 2 * place)) & 3) places.push(byte * 4 + place);
            }
        }
        return this.#watched ? places.map((place) => seatAt(this.#watched, place)) : places;
    }

    #count() {
        this.#free = this.#ranges.map(({ first, count }) => {
            let free = 0;
            for (let seat = first; seat < first + count; seat += 1) free += this.get(seat) === SeatState.FREE;
            return this.position ? free : 0;
        });
    }
}

/** The range that a seat is in; -1 for none. */
function find(ranges, seat) {
    let [low, high] = [0, ranges.length];
    while (low < high) {
        const middle = (low + high) >> 1;
        if (ranges[middle].first + ranges[middle].count <= seat) low = middle + 1;
        else high = middle;
    }
    return low < ranges.length && ranges[low].first <= seat ? low : -1;
}

function seatAt(watched, place) {
    for (const { first, count } of watched) {
        if (place < count) return first + place;
        place -= count;
    }
    return place;
}
