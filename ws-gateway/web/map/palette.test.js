import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { CATEGORY_COLOURS, contrast, edgeOn, inkOn } from "./palette.js";

const style = readFileSync(new URL("../style/base.css", import.meta.url), "utf8");
/** Light, then dark. */
const values = (name) => [...style.matchAll(new RegExp(`--${name}: (#[0-9a-f]{6})`, "g"))].map(([, value]) => value);

test("contrast is what WCAG counts", () => {
    assert.equal(contrast("#000000", "#ffffff"), 21);
    assert.equal(contrast("#777777", "#ffffff").toFixed(2), "4.48");
});

test("the ink on a price is read well", () => {
    for (const colour of CATEGORY_COLOURS) assert.ok(contrast(colour, inkOn(colour)) >= 4.5, colour);
});

test("marks and the edges of free seats are seen on the ground, light and dark", () => {
    for (const [at, ground] of values("map-section").entries()) {
        for (const name of ["map-sold", "map-held"]) {
            assert.ok(contrast(values(name)[at], ground) >= 3, `${name} on ${ground}`);
        }
        for (const colour of CATEGORY_COLOURS) {
            assert.ok(contrast(edgeOn(colour, ground), ground) >= 3, `${colour} on ${ground}`);
        }
    }
});
