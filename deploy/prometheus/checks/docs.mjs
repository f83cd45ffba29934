// What docs/ says of metrics and alerts.

import { readFileSync } from "node:fs";

const read = (name) => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), "utf8");
const quoted = (cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text);

const [tables, rules] = read("metrics.md")
    .split("\n## Recording rules\n")
    .map((part) => part.split("\n").filter((line) => line.startsWith("| `")))
    .map((lines) => lines.map((line) => line.split("|").slice(1).map(quoted)));

/** Of a part that not every system has: its own test holds them. */
const [, withKafka] = read("metrics.md").match(/\n## booking-svc with Kafka\n([^]*?)\n## /);
export const optional = new Set([...withKafka.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name));

/** From each metric to its labels. */
export const metrics = new Map();
for (const [names, labels] of tables) {
    for (const name of names.filter((name) => !name.endsWith("*"))) if (!metrics.has(name)) metrics.set(name, labels);
}

/** The names of the recording rules. */
export const recorded = rules.flatMap(([names]) => names);

/** The alerts that have a chapter, and so an anchor. */
export const runbooks = [...read("operations.md").matchAll(/^###+ (TicketEngine\w+)$/gm)].map(([, name]) => name);
