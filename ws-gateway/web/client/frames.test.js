import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes } from "../testing/fake_socket.js";
import { decodeBinary, fromJson } from "./frames.js";
import { WireError } from "./protobuf.js";

const decode = (...content) => decodeBinary(Uint8Array.from(content.flat()));

test("a snapshot is the same in both encodings", () => {
    const states = bytes.block(3, [0b00_01_10_11, 0b01_00_00_00]);
    const binary = decode(bytes.block(1, [...bytes.number(1, 7), ...bytes.number(2, 300), ...states]));
    const json = fromJson({ type: "snapshot", epoch: 7, version: 300, states: "01231" });
    assert.deepEqual(binary, json);
    assert.deepEqual([...binary.packed], [0b00_01_10_11, 0b01_00_00_00]);
});

test("changes are the same in both encodings, lists packed or not", () => {
    const numbers = [...bytes.number(1, 1), ...bytes.number(2, 127), ...bytes.number(3, 128)];
    const json = fromJson({
        type: "changes",
        epoch: 1,
        after_version: 127,
        version: 128,
        free: [0, 300, 70_000],
        sold: [5],
    });
    assert.deepEqual(
        decode(bytes.block(2, [...numbers, ...bytes.packed(4, [0, 300, 70_000]), ...bytes.packed(6, [5])])),
        json,
    );
    const single = [0, 300, 70_000].flatMap((seat) => bytes.number(4, seat));
    assert.deepEqual(decode(bytes.block(2, [...numbers, ...single, ...bytes.number(6, 5)])), json);
});

test("a heartbeat is the same in both encodings", () => {
    const asOf = [...bytes.number(1, 1_764_000_000), ...bytes.number(2, 123_999_999)];
    const content = [
        ...bytes.number(1, 9),
        ...bytes.number(2, 2 ** 53 - 1),
        ...bytes.fixed32(3, 0xfedcba98),
        ...bytes.block(4, asOf),
        ...bytes.number(5, 1),
    ];
    assert.deepEqual(
        decode(bytes.block(3, content)),
        fromJson({
            type: "heartbeat",
            epoch: 9,
            version: 2 ** 53 - 1,
            checksum: 0xfedcba98,
            as_of_ms: 1_764_000_000_123,
            stale: true,
        }),
    );
});

test("bytes as a server wrote them", () => {
    // changes {epoch: 3, after_version: 150, version: 151, held: [1, 300]}
    const known = [0x12, 0x0d, 0x08, 3, 0x10, 0x96, 0x01, 0x18, 0x97, 0x01, 0x2a, 3, 1, 0xac, 0x02];
    assert.deepEqual(decode(known), {
        type: "changes",
        epoch: 3,
        afterVersion: 150,
        version: 151,
        lists: [[], [1, 300], [], []],
    });
});

test("unknown fields of every wire type are skipped", () => {
    const double = [13 * 8 + 1, 1, 2, 3, 4, 5, 6, 7, 8];
    const unknown = [...bytes.number(12, 2 ** 40), ...double, ...bytes.block(14, [9, 9]), ...bytes.fixed32(15, 1)];
    const plain = decode(bytes.block(1, bytes.number(2, 5)));
    assert.deepEqual(decode(unknown, bytes.block(1, [...bytes.number(2, 5), ...unknown]), unknown), plain);
    assert.equal(decode(bytes.block(9, [1])), null);
});

test("what is no message is refused, not guessed at", () => {
    const snapshot = bytes.block(1, [...bytes.number(1, 300), ...bytes.block(3, [1, 2, 3])]);
    for (let end = 1; end < snapshot.length; end += 1) {
        assert.throws(() => decode(snapshot.slice(0, end)), WireError, `cut at ${end}`);
    }
    assert.throws(() => decode([0x08, ...Array(10).fill(0x80)]), WireError);
    assert.throws(() => decode([0x0f]), WireError);
    assert.throws(() => fromJson({ type: "snapshot", epoch: 1, version: 1, states: "014" }), WireError);
});
