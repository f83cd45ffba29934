// For check.mjs: the profiles of compose.yaml, and the commands in its header that switch them on.

import { basename } from "node:path";

import { commands } from "./model.mjs";

// What a plain `up` starts.
const always = [
    ...["redis", "postgres", "migrate", "sample", "booking-svc-1", "booking-svc-2", "booking-svc-3"],
    ...["ws-gateway-1", "ws-gateway-2", "nginx", "prometheus", "grafana"],
];
const schemes = { redlock: "redlock", cluster: "redis-cluster", sentinel: "redis-sentinel" };

const mounts = ({ volumes = [] }) => new Map(volumes.map(({ source, target }) => [target, source]));
const address = ({ networks }) => networks?.default?.ipv4_address;
const script = ({ entrypoint }) => basename(entrypoint?.at(-1) ?? "");

export function check_profiles({ services, root, text, check }) {
    const of = (profile) => Object.keys(services).filter((name) => services[name].profiles?.includes(profile));
    const plain = Object.keys(services).filter((name) => !services[name].profiles?.length);
    check(`${[...plain].sort()}` === `${[...always].sort()}`, `a plain up starts ${plain}`);
    for (const name of plain) {
        for (const [needed, { required }] of Object.entries(services[name].depends_on ?? {})) {
            check(plain.includes(needed) || !required, `a plain up lacks ${needed}, which ${name} needs`);
        }
    }
    const known = commands(root);
    check_kafka(services, text, check, known);
    for (const [profile, scheme] of Object.entries(schemes)) {
        const url = known.find((command) => command.profile === profile)?.TE_REDIS_URL;
        check(url, `nobody is told how to switch ${profile} on`);
        if (url) check_url({ url, scheme, profile, services, names: of(profile), check });
    }
    check(text("deploy/compose.yaml").includes("${TE_REDIS_URL:-"), "nobody can choose another Redis");
    for (const [name, service] of Object.entries(services)) {
        if (["redis.sh", "replicated.sh"].includes(script(service))) check_server(name, services, text, check);
    }
    check_cluster(services, of("cluster"), check);
    check_sentinel(services, of("sentinel"), text, check);
    check_waiting(services, of, check);
}

function check_kafka(services, text, check, known) {
    const kafka = text("deploy/compose/kafka.properties");
    const [, broker] = /^advertised\.listeners=CLIENT:\/\/(\S+)$/m.exec(kafka);
    const [host, port] = broker.split(":");
    check(kafka.includes(`listeners=CLIENT://:${port},`) && services[host], `no Kafka at ${broker}`);
    const kept = services.kafka.volumes.some(({ target }) => kafka.includes(`log.dirs=${target}\n`));
    check(kept, "Kafka keeps its data elsewhere than in its volume");
    const told = known.find(({ profile }) => profile === "kafka");
    check(told?.TE_OUTBOX === "on" && told.TE_KAFKA_BROKERS === broker, `nobody is told of ${broker}`);
}

// A URL names servers of its profile, with their user's password: of Redlock all of them.
function check_url({ url, scheme, profile, services, names, check }) {
    const [, given, password, list] = /^([a-z-]+):\/\/ticketengine:([^@]*)@([^/]*)/.exec(url) ?? [];
    const hosts = (list ?? "").split(",");
    check(given === scheme, `${profile}: ${url} is not ${scheme}://`);
    for (const host of hosts) {
        const [name, port] = host.split(":");
        const at = script(services[name] ?? {}) === "sentinel.sh" ? "26379" : "6379";
        check(names.includes(name) && port === at, `${profile}: nobody listens at ${host}`);
    }
    const servers = names.map((name) => services[name].environment?.SERVICE_PASSWORD).filter(Boolean);
    check(servers.length > 0 && servers.every((each) => each === password), `${profile}: the servers have another password`);
    const all = new Set(hosts).size === names.length && [3, 5, 7].includes(names.length);
    check(profile !== "redlock" || all, `redlock: ${hosts.length} of ${names.length} servers vote`);
}

// A server keeps its data to itself, has all files that it reads, and the user that its clients need.
function check_server(name, services, text, check) {
    const [service, files] = [services[name], mounts(services[name])];
    const data = files.get("/data");
    const sharers = Object.values(services).filter((other) => mounts(other).get("/data") === data);
    check(data && sharers.length === 1, `${name} has no volume of its own`);
    const alone = script(service) === "redis.sh" && !service.environment?.CONFIG;
    const template = alone ? "users.acl.template" : "users.replicated.acl.template";
    const users = basename(files.get("/etc/redis/users.acl.template") ?? "");
    check(users === template, `${name}: its user is not that of ${template}`);
    const config = service.environment?.CONFIG ?? `/etc/redis/${alone ? "redis" : "replicated"}.conf`;
    const [read, lines] = [new Set([config]), new Set()];
    for (const path of read) {
        const source = files.get(path);
        check(source, `${name} has no ${path}`);
        if (!source) continue;
        for (const line of text(`deploy/compose/${basename(source)}`).split("\n")) {
            lines.add(line);
            if (line.startsWith("include /etc/redis/")) read.add(line.split(" ")[1]);
        }
    }
    const kept = ["dir /data", "appendonly yes", "maxmemory-policy noeviction", ...(alone ? [] : ["min-replicas-to-write 1"])];
    for (const line of kept) check(lines.has(line), `${name} runs without ${line}`);
}

function check_cluster(services, names, check) {
    const nodes = names.filter((name) => script(services[name]) === "redis.sh");
    const { command, depends_on } = services["cluster-create"];
    const [primaries, ...joined] = command;
    const addresses = nodes.map((name) => `${address(services[name])}:6379`);
    check(`${joined}` === `${addresses}`, `cluster-create joins ${joined}`);
    // One more than a replica each: a primary without one grants nothing.
    check(nodes.length > 2 * Number(primaries), `${nodes.length} servers are too few for ${primaries} primaries`);
    for (const name of nodes) {
        check(depends_on[name]?.condition === "service_healthy", `cluster-create does not wait for ${name}`);
    }
}

function check_sentinel(services, names, text, check) {
    const sentinels = names.filter((name) => script(services[name]) === "sentinel.sh");
    const servers = names.filter((name) => script(services[name]) === "replicated.sh");
    const [first] = servers.filter((name) => !services[name].environment?.PRIMARY);
    const [, primary, quorum] = /^sentinel monitor (\S+) \$PRIMARY (\d+)$/m.exec(text("deploy/compose/sentinel.sh"));
    check(text("deploy/compose.yaml").includes(`:26379/${primary} \\\n`), `no command names the primary ${primary}`);
    check(sentinels.length === 2 * Number(quorum) - 1, `${quorum} of ${sentinels.length} Sentinels are no majority`);
    check(servers.length > 2, "sentinel: of two servers the one that is left grants nothing");
    for (const name of [...sentinels, ...servers]) {
        const follows = services[name].environment?.PRIMARY;
        check(name === first || follows === `${address(services[first])} 6379`, `${name} follows ${follows}`);
    }
}

// Who uses Redis waits for it, whichever it is.
function check_waiting(services, of, check) {
    const steps = of("cluster").filter((name) => services[name].restart === "no");
    const servers = [...of("redlock"), ...of("sentinel").filter((name) => script(services[name]) === "sentinel.sh")];
    for (const name of Object.keys(services).filter((name) => /^booking-svc-|^sample$/.test(name))) {
        const needs = services[name].depends_on;
        for (const server of servers) {
            check(needs[server]?.condition === "service_healthy", `${name} does not wait for ${server}`);
        }
        for (const step of steps) {
            check(needs[step]?.condition === "service_completed_successfully", `${name} does not wait for ${step}`);
        }
    }
}
