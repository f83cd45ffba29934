// Looks at a Prometheus that has watched a sale.
//
//   node check.mjs quiet URL           no alert fires
//   node check.mjs data URL START      since START (in seconds of Unix) there is data for each panel and each rule, and
//                                      docs/, rules, dashboards and scrapes have the same names

import { readFileSync, readdirSync } from "node:fs";

import * as docs from "./checks/docs.mjs";
import { family, names } from "./checks/promql.mjs";
import { Prometheus } from "./checks/prometheus.mjs";

/** Answers that no call gets where all is well. */
const RARE_CODES = /rpc_response_status_code=~"/;
const OURS = /^(ticketengine|http|rpc|db|active)_/;
/** Labels that Prometheus adds, and that of a histogram's buckets. */
const ADDED = ["__name__", "job", "instance", "namespace", "service", "pod", "container", "endpoint", "le"];
/** How often, and how far apart, alerts are looked at. */
const LOOKS = 10;
const LOOK_MS = 1_000;
const STEP = 5;
const RATE_INTERVAL = "15s";

const [command, url, start] = process.argv.slice(2);
const prometheus = new Prometheus(url);
const end = Date.now() / 1000;
const problems = [];
const wrong = (where, what) => problems.push(`${where}: ${what}`);

/** Nor is one about to: what is so for a moment only is not so a little later. */
async function quiet() {
    let alerts = await prometheus.alerts();
    for (let look = 0; alerts.length > 0 && look < LOOKS; look += 1) {
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        const still = await prometheus.alerts();
        const name = ({ labels }) => JSON.stringify(labels);
        alerts = alerts.filter((alert) => still.some((other) => name(other) === name(alert)));
    }
    for (const { labels, annotations } of alerts) wrong(labels.alertname, `fires, or would: ${annotations.summary}`);
}

async function data() {
    const rules = await prometheus.rules();
    await scrapes();
    const known = await labelsOf(rules);
    for (const rule of rules) await (rule.type === "recording" ? recording : alerting)(rule, known);
    const folder = new URL("../../helm/dashboards/", import.meta.url);
    for (const name of readdirSync(folder)) await dashboard(JSON.parse(readFileSync(new URL(name, folder), "utf8")), known);
    const recorded = new Set(rules.filter(({ type }) => type === "recording").map(({ name }) => name));
    for (const name of recorded) if (!docs.recorded.includes(name)) wrong(name, "is a rule, but not in docs/metrics.md");
    for (const name of docs.recorded) if (!recorded.has(name)) wrong(name, "is in docs/metrics.md, but no rule");
}

/** docs/metrics.md and the scrapes have the same metrics, with the same labels. */
async function scrapes() {
    const scraped = (await prometheus.scraped()).filter((name) => OURS.test(name));
    for (const name of scraped) if (!docs.metrics.has(name)) wrong(name, "is scraped, but not in docs/metrics.md");
    for (const [name, labels] of docs.metrics) {
        if (docs.optional.has(name)) continue;
        if (!scraped.includes(name)) {
            wrong(name, "is in docs/metrics.md, but was not scraped");
            continue;
        }
        const seen = await seenLabels(`{__name__=~"${name}(_bucket)?"}`);
        if (`${seen}` !== `${[...labels].sort()}`) wrong(name, `has the labels ${seen}, in docs/metrics.md ${[...labels].sort()}`);
    }
}

async function seenLabels(match) {
    const series = await prometheus.series(match, start, end);
    const labels = new Set(series.flatMap((one) => Object.keys(one)));
    return [...labels].filter((label) => !ADDED.includes(label)).sort();
}

/** From each name that a query may have to its labels. */
async function labelsOf(rules) {
    const known = new Map(docs.metrics);
    const others = (await prometheus.scraped()).filter((name) => name.startsWith("process_"));
    const records = rules.filter(({ type }) => type === "recording").map(({ name }) => name);
    for (const name of [...others, ...records, "up", "ALERTS"]) known.set(name, await seenLabels(`{__name__="${name}"}`));
    return known;
}

/** The names in an expression are those that there are. */
async function named(where, expr, known) {
    const { metrics, labels, selectors } = names(expr);
    const families = metrics.map((name) => (known.has(name) ? name : family(name)));
    for (const name of families) if (!known.has(name)) wrong(where, `there is no metric ${name}`);
    const allowed = new Set([...ADDED, ...families.flatMap((name) => known.get(name) ?? [])]);
    for (const label of labels) if (!allowed.has(label)) wrong(where, `there is no label ${label}`);
    for (const [metric, matchers] of selectors) {
        for (const [label, operator, value] of matchers) {
            if (operator !== "=") continue;
            const found = await prometheus.series(`${metric}{${label}="${value}"}`, start, end);
            if (found.length === 0) wrong(where, `there is no ${metric} with ${label}="${value}"`);
        }
    }
}

async function hasData(where, expr) {
    if (names(expr).metrics.some((name) => docs.optional.has(name))) return [];
    const series = await prometheus.range(expr, start, end, STEP);
    if (!series.some(({ values }) => values.some(Number.isFinite))) wrong(where, `no data: ${expr}`);
    return series;
}

async function recording({ name, query, health, lastError }, known) {
    if (health !== "ok") wrong(name, lastError);
    await named(name, query, known);
    await hasData(name, name);
}

const tests = new URL("./", import.meta.url);
const testText = readdirSync(tests).filter((name) => name.endsWith(".test.yaml")).map((name) => readFileSync(new URL(name, tests), "utf8")).join();

async function alerting({ name, query, labels, annotations, health, lastError }, known) {
    if (health !== "ok") wrong(name, lastError);
    await named(name, query, known);
    if (!["page", "ticket"].includes(labels.severity)) wrong(name, `has the severity ${labels.severity}`);
    for (const annotation of ["summary", "description"]) if (!annotations[annotation]) wrong(name, `has no ${annotation}`);
    if (annotations.runbook_url !== `docs/operations.md#${name.toLowerCase()}`) wrong(name, "has not its own runbook_url");
    if (!docs.runbooks.includes(name)) wrong(name, "has no chapter in docs/operations.md");
    if (!testText.includes(`alertname: ${name}\n`)) wrong(name, "is not tested");
}

async function dashboard({ title, panels, annotations, templating }, known) {
    const values = { namespace: ".*", __rate_interval: RATE_INTERVAL, __range: `${Math.ceil(end - start)}s` };
    for (const { type, name, query, allValue } of templating.list.filter(({ type }) => type === "query")) {
        const [, series, label] = filled(query.query, values).match(/^label_values\((.+), (\w+)\)$/);
        const found = (await prometheus.series(series, start, end)).map((one) => one[label]).filter(Boolean);
        if (found.length === 0) wrong(`${title}, ${type} ${name}`, "has no values");
        values[name] = allValue ?? [...new Set(found)].join("|");
    }
    for (const { name, target } of annotations.list) await ask(`${title}, ${name}`, filled(target.expr, values), known);
    for (const panel of panels) {
        for (const { expr, legendFormat } of panel.targets ?? []) {
            const where = `${title}, ${panel.title}`;
            const series = await ask(where, filled(expr, values), known);
            const labels = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label);
            for (const label of labels) if (!series.every((one) => label in one.labels)) wrong(where, `series without ${label}: ${expr}`);
        }
    }
}

function filled(text, values) {
    return text.replace(/\$(\w+)/g, (variable, name) => values[name] ?? variable);
}

let asked = 0;

/** Without the 0 that stands in for a counter that is not there, where it is: the 0 would hide that. */
async function ask(where, expr, known) {
    asked += 1;
    await named(where, expr, known);
    return hasData(where, RARE_CODES.test(expr) ? expr : expr.replace(/ or vector\(0\)$/, ""));
}

await (command === "quiet" ? quiet() : data());
if (asked > 0) console.log(`    ${asked} queries of panels and annotations`);
for (const problem of problems) console.error(`    WRONG: ${problem}`);
process.exitCode = problems.length > 0 ? 1 : 0;
