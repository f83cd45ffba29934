// Writes, for services of compose.yaml that are made of its scripts, what runs them as processes of this machine:
// HOME/NAME/run, HOME/NAME/healthy where they have a check, HOME/NAME/ask for a question to a server, and HOME/PROFILE.url for
// each command of the header.
//
//   node processes.mjs MODEL.json ROOT HOME REDIS_SERVER NAME[=PORT]...

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

import { commands } from "./model.mjs";

const [file, root, home, redis_server, ...given] = process.argv.slice(2);
const { services } = JSON.parse(readFileSync(file, "utf8"));
const ports = new Map(given.map((each) => each.split("=")));
// By name and by address, as the containers find each other.
const names = [...ports].filter(([, port]) => port).flatMap(([name, port]) => {
    const address = services[name].networks?.default?.ipv4_address;
    return [name, address].filter(Boolean).map((host) => [host, port]);
});

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const elsewhere = (text) =>
    names.reduce((text, [host, port]) => text.replace(new RegExp(`\\b${host}([: ])\\d+`, "g"), `127.0.0.1$1${port}`), text);

for (const [name, port] of ports) {
    const service = services[name];
    const place = join(home, name);
    // Paths of the container, and Sentinel's own port.
    const here = (text) =>
        elsewhere(text)
            .replace(/(?<![\w./])\/(etc\/redis|data|tmp)(?![\w.-])/g, `${place}/$1`)
            .replace(/(-p|port) 26379\b/g, `$1 ${port}`);
    const write = (path, text) => writeFileSync(join(place, path), text);
    for (const folder of ["etc/redis", "data", "tmp", "bin"]) mkdirSync(join(place, folder), { recursive: true });
    for (const { source, target, type } of service.volumes) {
        if (type === "bind") write(join("etc/redis", basename(target)), here(readFileSync(source, "utf8")));
    }
    if (port) {
        const server = `#!/bin/sh\nexec ${quoted(redis_server)} "$@" --port ${port} --bind 127.0.0.1\n`;
        writeFileSync(join(place, "bin/redis-server"), server, { mode: 0o755 });
    }
    const variables = Object.entries(service.environment).map(([key, value]) => `export ${key}=${quoted(here(value))}`);
    const head = ["#!/bin/sh", ...variables, `export PATH=${quoted(join(place, "bin"))}:"$PATH"`];
    const script = (words) => [...head, `exec ${words.map((word) => quoted(here(word))).join(" ")}`, ""].join("\n");
    write("run", script([...service.entrypoint, ...(service.command ?? [])]));
    const check = service.healthcheck?.test?.at(-1).replaceAll("redis-cli ", port ? `redis-cli -p ${port} ` : "redis-cli ");
    if (check) write("healthy", script(["sh", "-c", check]));
    if (port) write("ask", [...head, "export REDISCLI_AUTH=$ADMIN_PASSWORD", `exec redis-cli -p ${port} "$@"`, ""].join("\n"));
}
for (const { profile, TE_REDIS_URL: url } of commands(root)) {
    if (url) writeFileSync(join(home, `${profile}.url`), elsewhere(url));
}
