import assert from "node:assert/strict";
import { test } from "node:test";
import { Board, SeatState, crc32 } from "./board.js";
import { fromJson } from "./frames.js";

const snapshot = (states, epoch = 1, version = 5) => fromJson({ type: "snapshot", epoch, version, states });
const changes = (afterVersion, version, lists, epoch = 1) => ({ epoch, afterVersion, version, lists });
const states = (board, count) => Array.from({ length: count }, (_, seat) => board.get(seat)).join("");

test("the checksum is that of zip", () => {
    assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
});

test("changes are applied in order, and free seats counted", () => {
    const board = new Board({
        ranges: [
            { first: 0, count: 3 },
            { first: 4, count: 2 },
        ],
    });
    assert.equal(board.get(0), SeatState.BLOCKED);
    assert.deepEqual(board.replace(snapshot("001230")), []);
    assert.deepEqual([board.free(0), board.free(1)], [2, 1]);
    assert.deepEqual(board.apply(changes(5, 7, [[3], [0], [1], [5]])), [3, 0, 1, 5]);
    assert.equal(states(board, 6), "121033");
    assert.deepEqual([board.free(0), board.free(1), board.position.version], [0, 0, 7]);
    assert.deepEqual(board.apply(changes(7, 8, [[3], [2], [], []])), [], "neither is another state");
});

test("a gap, a foreign epoch and a seat that there is not are refused", () => {
    const board = new Board();
    assert.equal(board.apply(changes(0, 1, [[0], [], [], []])), null);
    board.replace(snapshot("0000"));
    assert.equal(board.apply(changes(6, 7, [[], [1], [], []])), null);
    assert.equal(board.apply(changes(5, 6, [[], [1], [], []], 2)), null);
    assert.equal(board.apply(changes(5, 6, [[], [4], [], []])), null);
    assert.equal(states(board, 4), "0000");
});

test("merged changes that start earlier are applied, older ones are not", () => {
    const board = new Board();
    board.replace(snapshot("0000"));
    assert.deepEqual(board.apply(changes(3, 6, [[], [1], [], []])), [1]);
    assert.deepEqual(board.apply(changes(3, 6, [[1], [], [], []])), []);
    assert.equal(states(board, 4), "0100");
});

test("a heartbeat verifies, and moves the version on where nothing differs", () => {
    const board = new Board();
    board.replace(snapshot("0120"));
    const { checksum } = board;
    assert.ok(board.verify({ epoch: 1, version: 9, checksum }));
    assert.equal(board.position.version, 9);
    assert.ok(board.verify({ epoch: 1, version: 8, checksum: 0 }), "of an older state");
    assert.ok(!board.verify({ epoch: 1, version: 9, checksum: checksum ^ 1 }));
    assert.ok(!board.verify({ epoch: 2, version: 9, checksum }));
    assert.ok(board.verify({ epoch: 0, version: 99, checksum: 0 }), "of an older epoch");
});

test("a new snapshot tells what differs", () => {
    const board = new Board({ ranges: [{ first: 0, count: 8 }] });
    board.replace(snapshot("00001111"));
    assert.deepEqual(board.replace(snapshot("01001012", 2, 0)), [1, 5, 7]);
    assert.equal(board.free(0), 4);
});

test("a board of some sections packs only those", () => {
    const watched = [
        { first: 2, count: 3 },
        { first: 10, count: 2 },
    ];
    const board = new Board({ watched, ranges: watched });
    board.replace(snapshot("01023"));
    assert.deepEqual([2, 3, 4, 10, 11].map((seat) => board.get(seat)).join(""), "01023");
    assert.equal(board.get(5), SeatState.BLOCKED);
    assert.deepEqual(board.apply(changes(5, 6, [[11], [2], [], []])), [11, 2]);
    assert.deepEqual([board.free(0), board.free(1)], [1, 1]);
    assert.equal(board.checksum, crc32(Uint8Array.of(0b01_01_00_10, 0)));
    assert.deepEqual(board.replace(snapshot("01020", 1, 7)), [2]);
    assert.equal(board.apply(changes(7, 8, [[5], [], [], []])), null);
});
