// Looks at compose.yaml, as the reference implementation of its format has read it: fails, and says why, where it does
// not fit the files beside it.
//
//   node check.mjs MODEL.json ROOT

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { check_profiles } from "./profiles.mjs";

const [file, root] = process.argv.slice(2);
const { services, networks } = JSON.parse(readFileSync(file, "utf8"));
const text = (path) => readFileSync(join(root, path), "utf8");
const all = (pattern, path) => [...text(path).matchAll(pattern)].map((match) => match.slice(1));
const problems = [];
let looked_at = 0;

function check(holds, problem) {
    looked_at += 1;
    if (!holds) problems.push(problem);
}

const seconds = (duration) => Number(/^(\d+)s$/.exec(duration)?.[1] ?? 0);
const own = (prefix) => Object.keys(services).filter((name) => name.startsWith(`${prefix}-`));
const replicas = own("booking-svc");
const gateways = own("ws-gateway");

// What every service has in common.
const version = /^version = "(.*)"/m.exec(text("Cargo.toml"))[1];
const stages = all(/ AS ([a-z-]+)$/gm, "deploy/Dockerfile").flat();
// Of images whose own user is not root.
const harmless = /^(localhost\/ticketengine|prom|grafana)\//;
for (const [name, service] of Object.entries(services)) {
    const image = service.image ?? "";
    check(/:[^:]*\d/.test(image), `${name}: image ${image} has no version`);
    check(service.user ? !/^(0|root)\b/.test(service.user) : harmless.test(image), `${name} runs as root`);
    check(service.read_only, `${name} can write to its image`);
    check(service.cap_drop?.includes("ALL"), `${name} keeps capabilities`);
    check(!service.cap_add && !service.privileged, `${name} has privileges`);
    check(service.security_opt?.includes("no-new-privileges"), `${name} may gain privileges`);
    check(service.ulimits?.nofile > 65536, `${name} may open few files`);
    for (const { host_ip } of service.ports ?? []) check(host_ip === "127.0.0.1", `${name} has a port for everybody`);
    for (const { type, source, read_only } of service.volumes ?? []) {
        if (type !== "bind") continue;
        check(existsSync(source), `${name} mounts ${source}, which is not there`);
        check(read_only, `${name} can write to ${source}`);
    }
    if (service.build) {
        check(image.endsWith(`:${version}`), `${name}: image ${image} is not of version ${version}`);
        check(existsSync(join(service.build.context, service.build.dockerfile)), `${name}: no Dockerfile`);
        check(stages.includes(service.build.target), `${name}: no stage ${service.build.target}`);
    }
    for (const [needed, { condition }] of Object.entries(service.depends_on ?? {})) {
        const of = services[needed];
        const checked = of.healthcheck?.test && !of.healthcheck.disable;
        check(condition !== "service_healthy" || checked, `${name} waits for the health of ${needed}, which has no check`);
    }
}

// The programs, with their settings.
const settings = ["booking-svc", "ws-gateway"].flatMap((crate) => sources(`${crate}/src`)).concat(sources("telemetry/src"));
function sources(folder) {
    return readdirSync(join(root, folder), { recursive: true })
        .filter((path) => path.endsWith(".rs"))
        .flatMap((path) => all(/"(TE_[A-Z_]+)"/g, `${folder}/${path}`).flat());
}
for (const name of [...replicas, ...gateways, "migrate", "sample"]) {
    for (const variable of Object.keys(services[name].environment)) {
        check(settings.includes(variable), `${name}: ${variable} is no setting`);
    }
}
for (const name of [...replicas, "sample"]) {
    const needs = services[name].depends_on;
    check(needs.migrate?.condition === "service_completed_successfully", `${name} does not wait for migrations`);
    check(needs.redis?.condition === "service_healthy", `${name} does not wait for Redis`);
}
check(services.migrate.depends_on.postgres?.condition === "service_healthy", "migrate does not wait for PostgreSQL");
// At most TE_GRACE + 12 s, and TE_DRAIN + 4 s; see docs/operations.md.
for (const name of replicas) check(seconds(services[name].stop_grace_period) > 22, `${name} is cut off at a stop`);
for (const name of gateways) {
    const { environment, stop_grace_period } = services[name];
    const [target] = replicas;
    check(seconds(stop_grace_period) > 14, `${name} is cut off at a stop`);
    check(environment.TE_FORWARDED_HOPS === "1", `${name} takes nginx for its client`);
    check(environment.TE_TARGETS.split(",").length === replicas.length, `${name} does not know all replicas`);
    for (const url of environment.TE_TARGETS.split(",")) {
        const { hostname, port } = new URL(url);
        check(replicas.includes(hostname) && port === port_of("TE_LISTEN"), `${name}: nobody listens at ${url}`);
    }
    const secret = services[target].environment.TE_JWT_SECRET;
    check(environment.TE_DEMO_JWT_SECRET === secret, `${name} signs with another secret than ${target} checks`);
}

check_profiles({ services, root, text, check });
for (const name of replicas) check("TE_KAFKA_BROKERS" in services[name].environment, `${name} never hears of Kafka`);
for (const name of replicas) check("TE_KAFKA_SEATS_TOPIC" in services[name].environment, `${name} tells Kafka of no seats`);
check("TE_OUTBOX" in services.migrate.environment, "migrate leaves the outbox as it is");

function port_of(setting, stage = "booking-svc") {
    const lines = text("deploy/Dockerfile").split(`AS ${stage}\n`)[1].split("\nFROM")[0];
    return new RegExp(`${setting}=0\\.0\\.0\\.0:(\\d+)`).exec(lines)?.[1];
}

// nginx knows all of them by name and address, and Prometheus by name.
const fronted = all(/^\s*server ([a-z0-9-]+:\d+)/gm, "deploy/nginx/nginx.conf").flat();
const scraped = all(/"([a-z0-9-]+:\d+)"/g, "deploy/compose/prometheus.yml").flat();
const addresses = (names, setting) => names.map((name) => `${name}:${port_of(setting, name.replace(/-\d+$/, ""))}`);
const same = (a, b) => JSON.stringify([...a].sort()) === JSON.stringify([...b].sort());
check(same(fronted, [...addresses(replicas, "TE_LISTEN"), ...addresses(gateways, "TE_GATEWAY_LISTEN")]), `nginx: ${fronted}`);
check(same(scraped, addresses([...replicas, ...gateways], "TE_METRICS_LISTEN")), `Prometheus: ${scraped}`);
const [{ subnet, ip_range }] = networks.default.ipam.config;
const network = subnet.replace(/\d+\/24$/, "");
// So many addresses, the lowest ones, go to those that have none of their own.
const given_away = 2 ** (32 - Number(ip_range.split("/")[1]));
const address = (name) => services[name].networks?.default?.ipv4_address;
const fixed = Object.keys(services).filter(address);
check(new Set(fixed.map(address)).size === fixed.length, `two have the same address: ${fixed.map(address)}`);
for (const name of fixed) {
    const own = address(name).startsWith(network) && Number(address(name).split(".")[3]) >= given_away;
    check(own, `the address of ${name} may go to another`);
}
for (const name of [...replicas, ...gateways]) {
    check(address(name), `${name} has no address of its own`);
    check(services.nginx.extra_hosts[name] === address(name), `nginx does not know the address of ${name}`);
}

// The page, gRPC, and what one looks at them with.
const ports = Object.values(services).flatMap(({ ports }) => ports ?? []);
const published = ports.map(({ published, target }) => `${published}:${target}`);
check(same(published, ["8080:8080", "50051:50051", "9090:9090", "3000:3000"]), `published: ${published}`);
const home = services.grafana.environment.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH.replace("/etc/grafana", "helm");
check(existsSync(join(root, home)), `Grafana begins with ${home}, which is not there`);

for (const problem of problems) console.error(`    WRONG: ${problem}`);
console.log(`    ${looked_at} things looked at`);
process.exitCode = problems.length > 0 ? 1 : 0;
