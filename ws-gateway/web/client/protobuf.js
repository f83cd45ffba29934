// Just enough of protobuf's wire format to read what the gateway sends: see seat_map.proto.

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The bytes are no protobuf message. */
export class WireError extends Error {}

/** Reads one message. Integers are exact below 2^53. */
export class Reader {
    #bytes;
    #at = 0;

    /** @param {Uint8Array} bytes */
    constructor(bytes) {
        this.#bytes = bytes;
    }

    get done() {
        return this.#at >= this.#bytes.length;
    }

    /** @returns {{field: number, type: number}} what comes next */
    tag() {
        const tag = this.varint();
        const field = Math.floor(tag / 8);
        if (field === 0) throw new WireError("field 0");
        return { field, type: tag % 8 };
    }

    /** @returns {number} */
    varint() {
        let value = 0;
        // By multiplication: shifts end at 32 bits.
        for (let factor = 1, count = 0; count < 10; factor *= 128, count += 1) {
            const byte = this.#bytes[this.#at++];
            if (byte === undefined) throw new WireError("the message ends within a number");
            value += (byte & 0x7f) * factor;
            if (byte < 0x80) return value;
        }
        throw new WireError("a number of more than ten bytes");
    }

    /** @returns {number} an unsigned number of four bytes, little-endian */
    fixed32() {
        const [a, b, c, d] = this.#take(4);
        return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
    }

    /** @returns {Uint8Array} a view, not a copy */
    bytes() {
        return this.#take(this.varint());
    }

    /** @returns {string} */
    string() {
        return decoder.decode(this.bytes());
    }

    /** @returns {Reader} of the message within */
    message() {
        return new Reader(this.bytes());
    }

    /**
     * Adds a repeated number to `list`, packed or not.
     * @param {number} type
     * @param {number[]} list
     */
    numbers(type, list) {
        if (type !== 2) {
            list.push(this.varint());
            return;
        }
        const packed = this.message();
        while (!packed.done) list.push(packed.varint());
    }

    /**
     * Over a field that we do not know: newer servers may send more.
     * @param {number} type
     */
    skip(type) {
        if (type === 0) this.varint();
        else if (type === 1) this.#take(8);
        else if (type === 2) this.bytes();
        else if (type === 5) this.#take(4);
        else throw new WireError(`wire type ${type}`);
    }

    #take(count) {
        const end = this.#at + count;
        if (end > this.#bytes.length) throw new WireError("the message ends within a field");
        const taken = this.#bytes.subarray(this.#at, end);
        this.#at = end;
        return taken;
    }
}
