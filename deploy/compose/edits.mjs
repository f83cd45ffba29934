// Makes mistakes in compose.yaml and the files beside it, one at a time: check.mjs has to notice each, and says why.
//
//   node edits.mjs COMPOSE_GO ROOT

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [compose_go, root] = process.argv.slice(2);
const yaml = "compose.yaml";
const redlock_3 = 'redlock-3: { <<: *redlock, volumes: ["redlock-3:/data",';
// File, what stands there, what is put there, what the check says.
const edits = [
    [yaml, "read_only: true", "read_only: false", "can write to its image"],
    [yaml, 'user: &redis-user "999:999"', 'user: &redis-user "0:0"', "redlock-5 runs as root"],
    [yaml, "cap_drop: [ALL]", "cap_drop: []", "cluster-create keeps capabilities"],
    [yaml, "redis:7.2-bookworm", "redis", "sentinel-3: image redis has no version"],
    [yaml, '"127.0.0.1:${TE_PAGE_PORT:-8080}:8080"', '"${TE_PAGE_PORT:-8080}:8080"', "nginx has a port for everybody"],
    [yaml, "stop_grace_period: 25s", "stop_grace_period: 20s", "booking-svc-3 is cut off at a stop"],
    [yaml, 'TE_FORWARDED_HOPS: "1"', 'TE_FORWARDED_HOPS: "0"', "ws-gateway-2 takes nginx for its client"],
    [yaml, "TE_JWT_ISSUER: ", "TE_JWT_ISSUERS: ", "TE_JWT_ISSUERS is no setting"],
    [
        yaml,
        "booking-svc-3: 10.213.50.203",
        "booking-svc-3: 10.213.50.204",
        "nginx does not know the address of booking-svc-3",
    ],
    [yaml, "../helm/rules", "../helm/rule", "prometheus mounts"],
    ["compose/kafka.properties", "CLIENT://kafka:9092", "CLIENT://kafka:9094", "no Kafka at kafka:9094"],
    [yaml, "TE_OUTBOX=on TE_KAFKA_BROKERS", "TE_KAFKA_BROKERS", "nobody is told of kafka:9092"],
    [yaml, "    TE_KAFKA_SEATS_TOPIC: ", "    TE_KAFKA_TOPIC: ", "booking-svc-2 tells Kafka of no seats"],
    [yaml, redlock_3, redlock_3.replace("*redlock", "*redis"), "a plain up starts"],
    [yaml, "service_healthy, required: false }", "service_healthy }", "a plain up lacks redlock-1"],
    [yaml, redlock_3, redlock_3.replace("redlock-3:/data", "redlock-2:/data"), "redlock-3 has no volume of its own"],
    [yaml, redlock_3, redlock_3.replace('"redlock-3:/data",', ""), "redlock-3 has no volume of its own"],
    [
        yaml,
        redlock_3,
        redlock_3.replace("volumes", "healthcheck: { disable: true }, volumes"),
        "the health of redlock-3, which has no check",
    ],
    [yaml, "redlock-4:6379,redlock-5:6379", "redlock-4:6379", "redlock: 4 of 5 servers vote"],
    [yaml, "redlock-4:6379,redlock-5:6379", "redlock-4:6379,redlock-4:6379", "redlock: 5 of 5 servers vote"],
    [yaml, "redlock-5:6379 ", "redlock-5:26379 ", "redlock: nobody listens at redlock-5:26379"],
    [yaml, "TE_REDIS_URL=redis-cluster:", "TE_REDIS_URL=redis:", "is not redis-cluster://"],
    [yaml, "development-only@cluster-1", "guessed@cluster-1", "cluster: the servers have another password"],
    [yaml, "TE_REDIS_URL=redis-sentinel", "TE_REDIS=redis-sentinel", "nobody is told how to switch sentinel on"],
    [yaml, "sentinel-1:26379,", "replicated-1:26379,", "sentinel: nobody listens at replicated-1:26379"],
    [yaml, "/ticketengine \\", "/tickets \\", "no command names the primary ticketengine"],
    [
        yaml,
        "${TE_REDIS_URL:-redis://ticketengine:development-only@redis:6379/0}",
        "redis://redis",
        "nobody can choose another",
    ],
    [yaml, "users.replicated.acl.template:", "users.acl.template:", "cluster-7: its user is not that of"],
    [
        yaml,
        "- &replicated-conf ./compose/replicated.conf:/etc/redis/replicated.conf",
        "- &replicated-conf ./compose/redis.conf:/x",
        "no /etc/redis/replicated.conf",
    ],
    [yaml, "CONFIG: /etc/redis/cluster.conf", "CONFIG: /etc/redis/clusters.conf", "no /etc/redis/clusters.conf"],
    ["compose/replicated.conf", "min-replicas-to-write 1", "", "replicated-3 runs without min-replicas-to-write 1"],
    ["compose/redis.conf", "appendonly yes", "appendonly no", "redlock-1 runs without appendonly yes"],
    ["compose/redis.conf", "noeviction", "allkeys-lru", "cluster-4 runs without maxmemory-policy noeviction"],
    [yaml, "ipv4_address: 10.213.50.227", "ipv4_address: 10.213.50.226", "two have the same address"],
    [yaml, "ipv4_address: 10.213.50.233", "ipv4_address: 10.213.50.33", "the address of replicated-3 may go to another"],
    [yaml, "      - 10.213.50.224:6379\n", "", "cluster-create joins"],
    [yaml, '      - "3"\n', '      - "4"\n', "7 servers are too few for 4 primaries"],
    [yaml, "      cluster-5: *healthy\n", "", "cluster-create does not wait for cluster-5"],
    [
        yaml,
        "PRIMARY: &first-primary 10.213.50.231",
        "PRIMARY: &first-primary 10.213.50.232",
        "replicated-3 follows 10.213.50.232",
    ],
    [yaml, "replicated-3:\n    <<: *replicated\n", "replicated-3:\n    <<: *redis\n    profiles: [sentinel]\n", "of two servers"],
    ["compose/sentinel.sh", "$PRIMARY 2", "$PRIMARY 1", "1 of 3 Sentinels are no majority"],
    [yaml, "    sentinel-2: *healthy-if-on\n", "", "booking-svc-1 does not wait for sentinel-2"],
    [yaml, "    redlock-4: *healthy-if-on\n", "", "sample does not wait for redlock-4"],
    [
        yaml,
        "cluster-create: { condition: service_completed_successfully",
        "cluster-create: { condition: service_started",
        "sample does not wait for cluster-create",
    ],
];

// A copy that may be changed; what the check only reads is linked.
const copy = mkdtempSync(join(tmpdir(), "ticketengine-compose-"));
const model = join(copy, "model.json");
mkdirSync(join(copy, "deploy"));
for (const name of readdirSync(root)) if (name !== "deploy") symlinkSync(join(root, name), join(copy, name));
for (const name of readdirSync(join(root, "deploy"))) {
    cpSync(join(root, "deploy", name), join(copy, "deploy", name), { recursive: true });
}

// What the check says; empty where it is content.
function problems() {
    const read = spawnSync(compose_go, ["--format", "json", yaml], { cwd: join(copy, "deploy"), encoding: "utf8" });
    if (read.status !== 0) return `compose.yaml is not valid: ${read.stderr}`;
    writeFileSync(model, read.stdout);
    const looked = spawnSync(process.execPath, [join(root, "deploy/compose/check.mjs"), model, copy], { encoding: "utf8" });
    return looked.status === 0 ? "" : looked.stderr || "it failed, and did not say why";
}

let missed = 0;
function miss(what) {
    missed += 1;
    console.error(`    WRONG: ${what}`);
}

try {
    if (problems()) miss(`without a mistake: ${problems()}`);
    for (const [file, before, after, says] of edits) {
        const path = join(copy, "deploy", file);
        const text = readFileSync(path, "utf8");
        if (!text.includes(before)) miss(`${file} has no ${before}`);
        writeFileSync(path, text.replace(before, () => after));
        const said = problems();
        if (!said.includes(says)) miss(`${before} -> ${after}: not "${says}" but "${said.trim()}"`);
        writeFileSync(path, text);
    }
    console.log(`    ${edits.length} mistakes, ${edits.length - missed} noticed`);
} finally {
    rmSync(copy, { recursive: true });
}
process.exitCode = missed > 0 ? 1 : 0;
