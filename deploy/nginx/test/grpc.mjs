// As much of gRPC and of protobuf as the checks need, over Node's HTTP/2: without a library between them and nginx.

import http2 from "node:http2";

const service = "/ticketengine.booking.v1.BookingService/";
export const DEADLINE_EXCEEDED = 4;
// What gRPC says of a server that answers in HTTP alone; of a broken stream likewise.
export const UNAVAILABLE = 14;
// How long a call waits for its answer.
const deadline_ms = 5_000;
const unavailable_http = [429, 502, 503, 504];

function varint(value) {
    const bytes = [];
    for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
    return Buffer.from([...bytes, value]);
}

const delimited = (field, bytes) => Buffer.concat([varint(field * 8 + 2), varint(bytes.length), bytes]);

// message({ field: text or list of numbers })
export function message(fields) {
    const encode = (value) => (Array.isArray(value) ? Buffer.concat(value.map(varint)) : Buffer.from(value));
    return Buffer.concat(Object.entries(fields).map(([field, value]) => delimited(Number(field), encode(value))));
}

// The fields that are texts, bytes or messages: { number: Buffer }. Others are skipped.
export function fields(bytes) {
    const found = {};
    let at = 0;
    const number = () => {
        let value = 0;
        for (let factor = 1; ; factor *= 128) {
            const byte = bytes[at++];
            value += (byte & 127) * factor;
            if (byte < 128) return value;
        }
    };
    while (at < bytes.length) {
        const key = number();
        if (key % 8 === 0) number();
        else if (key % 8 === 2) {
            const length = number();
            found[Math.floor(key / 8)] = bytes.subarray(at, (at += length));
        } else throw new Error(`wire type ${key % 8}`);
    }
    return found;
}

// A connection of a client.
export function connect(url) {
    const session = http2.connect(url);
    session.on("error", () => {}); // Each call hears of it.
    session.on("connect", () => session.setLocalWindowSize(1 << 22));
    return session;
}

// Begins a call: `each` gets every message; the end is { code, detail }. Without a deadline, as for a stream.
export function begin(session, token, method, request, each, signal) {
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(request.length, 1);
    return new Promise((resolve) => {
        let stream;
        const broken = (error) => resolve({ code: UNAVAILABLE, detail: String(error?.message ?? error) });
        try {
            const headers = {
                ":method": "POST",
                ":path": service + method,
                "content-type": "application/grpc",
                te: "trailers",
                authorization: `Bearer ${token}`,
            };
            stream = session.request(headers, { signal });
        } catch (error) {
            broken(error);
            return;
        }
        let head = {};
        let tail = {};
        let rest = Buffer.alloc(0);
        stream.on("response", (headers) => (head = headers));
        stream.on("trailers", (headers) => (tail = headers));
        stream.on("error", broken);
        stream.on("data", (data) => {
            rest = Buffer.concat([rest, data]);
            while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
                const end = 5 + rest.readUInt32BE(1);
                each(rest.subarray(5, end));
                rest = rest.subarray(end);
            }
        });
        stream.on("close", () => {
            const said = tail["grpc-status"] ?? head["grpc-status"];
            const detail = decodeURIComponent(tail["grpc-message"] ?? head["grpc-message"] ?? "");
            if (said !== undefined) resolve({ code: Number(said), detail });
            else if (unavailable_http.includes(head[":status"])) broken(`HTTP ${head[":status"]}`);
            else resolve({ code: 13, detail: `HTTP ${head[":status"]} without a status` });
        });
        stream.end(Buffer.concat([frame, request]));
    });
}

// One call with one answer.
export async function call(session, token, method, request) {
    let answer = Buffer.alloc(0);
    const late = AbortSignal.timeout(deadline_ms);
    const end = await begin(session, token, method, request, (bytes) => (answer = bytes), late);
    return late.aborted ? { code: DEADLINE_EXCEEDED, detail: "no answer", answer } : { ...end, answer };
}
