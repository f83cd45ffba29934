// The shared frames, from either encoding to the same objects.

import { Reader, WireError } from "./protobuf.js";

/**
 * @typedef {{type: "snapshot", epoch: number, version: number, packed: Uint8Array}} Snapshot
 * @typedef {{type: "changes", epoch: number, afterVersion: number, version: number, lists: number[][]}} Changes
 *   lists: seats that are now free, held, sold, blocked
 * @typedef {{
 *     type: "heartbeat", epoch: number, version: number, checksum: number, asOfMs: number, stale: boolean,
 * }} Heartbeat
 */

/**
 * Decodes whatever a socket says. Fails where that can not be read.
 * @param {string | ArrayBuffer} data
 * @returns {any} a shared frame, a private one as it is, or null
 */
export function decode(data) {
    if (typeof data !== "string") return decodeBinary(new Uint8Array(data));
    const json = JSON.parse(data);
    if (typeof json?.type !== "string") throw new WireError("a frame without a type");
    if (json.type === "reservation" && !json.reservation?.reservation_id) throw new WireError("news of nothing");
    return fromJson(json) ?? json;
}

/**
 * Decodes a `WatchSeatsResponse`.
 * @param {Uint8Array} bytes
 * @returns {Snapshot | Changes | Heartbeat | null} null for a kind that we do not know
 */
export function decodeBinary(bytes) {
    const reader = new Reader(bytes);
    let frame = null;
    while (!reader.done) {
        const { field, type } = reader.tag();
        if (type === 2 && field === 1) frame = snapshot(reader.message());
        else if (type === 2 && field === 2) frame = changes(reader.message());
        else if (type === 2 && field === 3) frame = heartbeat(reader.message());
        else reader.skip(type);
    }
    return frame;
}

function snapshot(reader) {
    const frame = { type: "snapshot", epoch: 0, version: 0, packed: new Uint8Array() };
    while (!reader.done) {
        const { field, type } = reader.tag();
        if (field === 1) frame.epoch = reader.varint();
        else if (field === 2) frame.version = reader.varint();
        // A copy: the board writes into it.
        else if (field === 3) frame.packed = reader.bytes().slice();
        else reader.skip(type);
    }
    return frame;
}

function changes(reader) {
    const frame = { type: "changes", epoch: 0, afterVersion: 0, version: 0, lists: [[], [], [], []] };
    while (!reader.done) {
        const { field, type } = reader.tag();
        if (field === 1) frame.epoch = reader.varint();
        else if (field === 2) frame.afterVersion = reader.varint();
        else if (field === 3) frame.version = reader.varint();
        else if (field <= 7) reader.numbers(type, frame.lists[field - 4]);
        else reader.skip(type);
    }
    return frame;
}

function heartbeat(reader) {
    const frame = { type: "heartbeat", epoch: 0, version: 0, checksum: 0, asOfMs: 0, stale: false };
    while (!reader.done) {
        const { field, type } = reader.tag();
        if (field === 1) frame.epoch = reader.varint();
        else if (field === 2) frame.version = reader.varint();
        else if (field === 3) frame.checksum = reader.fixed32();
        else if (field === 4) frame.asOfMs = timestampMs(reader.message());
        else if (field === 5) frame.stale = reader.varint() !== 0;
        else reader.skip(type);
    }
    return frame;
}

function timestampMs(reader) {
    let ms = 0;
    while (!reader.done) {
        const { field, type } = reader.tag();
        if (field === 1) ms += reader.varint() * 1000;
        else if (field === 2) ms += Math.floor(reader.varint() / 1e6);
        else reader.skip(type);
    }
    return ms;
}

/**
 * Turns a parsed JSON frame into what `decodeBinary` gives for the same.
 * @param {any} json
 * @returns {Snapshot | Changes | Heartbeat | null} null where it is no shared frame
 */
export function fromJson(json) {
    const { type, epoch, version } = json;
    switch (type) {
        case "snapshot":
            return { type, epoch, version, packed: packDigits(json.states) };
        case "changes": {
            const { after_version: afterVersion, free = [], held = [], sold = [], blocked = [] } = json;
            const lists = [free, held, sold, blocked];
            if (!lists.every(Array.isArray)) throw new WireError("changes that are no lists");
            return { type, epoch, afterVersion, version, lists };
        }
        case "heartbeat": {
            const { checksum, as_of_ms: asOfMs, stale = false } = json;
            return { type, epoch, version, checksum, asOfMs, stale };
        }
        default:
            return null;
    }
}

function packDigits(states) {
    const packed = new Uint8Array(Math.ceil(states.length / 4));
    for (let seat = 0; seat < states.length; seat += 1) {
        const state = states.charCodeAt(seat) - 48;
        if (!(state >= 0 && state <= 3)) throw new WireError("a state that is no digit of 0 to 3");
        packed[seat >> 2] |= state << (6 - 2 * (seat & 3));
    }
    return packed;
}
