import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const here = new URL("./", import.meta.url);
const page = readFileSync(new URL("index.html", here), "utf8");
const named = (tag) =>
    [...page.matchAll(new RegExp(`<${tag}[^>]*(?:href|src)="/assets/([^"]+)"`, "g"))].map(([, path]) => path);
const files = readdirSync(here, { recursive: true }).map((path) => path.replaceAll("\\", "/"));
const modules = files.filter(
    (path) => path.endsWith(".js") && !path.endsWith(".test.js") && !/^(testing|node_modules)\//.test(path),
);

test("all modules are asked for at once, not one after another", () => {
    const preloaded = named('link rel="modulepreload"');
    assert.deepEqual([...preloaded, "app.js"].sort(), modules.sort());
});

test("each file that the page names is there", () => {
    for (const path of [...named("link"), ...named("script")]) assert.ok(existsSync(new URL(path, here)), path);
});

test("nothing inline: the content security policy forbids it", () => {
    assert.doesNotMatch(page, /<style|\sstyle=|\son\w+=|<script(?![^>]*src=)/);
});

test("each symbol that a module shows is in the page", () => {
    const shown = modules.flatMap((path) => [
        ...readFileSync(new URL(path, here), "utf8").matchAll(/\bicon\("(\w+)"\)/g),
    ]);
    for (const [, name] of shown) assert.ok(page.includes(`id="i-${name}"`), name);
});

test("modules name files that there are", () => {
    for (const path of modules) {
        const text = readFileSync(new URL(path, here), "utf8");
        for (const [, target] of text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)) {
            assert.ok(existsSync(new URL(target, new URL(path, here))), `${path} imports ${target}`);
        }
    }
});
