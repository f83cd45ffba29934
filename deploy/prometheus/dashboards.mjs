// Writes helm/dashboards/*.json; with --check fails where a file there is not what would be written.
//
//   node dashboards.mjs [--check]

import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import gateway from "./dashboards/gateway.mjs";
import onSale from "./dashboards/on-sale.mjs";
import service from "./dashboards/service.mjs";

const files = { "gateway.json": gateway, "on-sale.json": onSale, "service.json": service };
const folder = new URL("../../helm/dashboards/", import.meta.url);
const check = process.argv[2] === "--check";
const stale = readdirSync(folder).filter((name) => !(name in files));

for (const [name, dashboard] of Object.entries(files)) {
    const text = `${JSON.stringify(dashboard, null, 2)}\n`;
    const file = new URL(name, folder);
    if (!check) writeFileSync(file, text);
    else if (!existsSync(file) || readFileSync(file, "utf8") !== text) stale.push(name);
}

if (check && stale.length > 0) {
    console.error(`not what node ${fileURLToPath(import.meta.url)} writes: ${stale.join(", ")}`);
    process.exitCode = 1;
}
