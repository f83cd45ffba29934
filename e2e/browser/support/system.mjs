// The system that `./dev test-browser` started, and gateways of the tests' own in front of it.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

const BIN = need("TE_TEST_BIN");
const VENUES = fileURLToPath(new URL("../../../deploy/venues/", import.meta.url));
/** A gateway that has not stopped by then is killed. */
const STOP_MS = 15_000;
const READY_MS = 30_000;
const COMMAND_MS = 120_000;

function need(name) {
    const value = process.env[name];
    if (!value) throw new Error(`${name} is not set: run ./dev test-browser`);
    return value;
}

/** @param {string} id @param {string} venue a file of deploy/venues @param {string} [holdTtl] */
export async function loadEvent(id, venue, holdTtl) {
    const ttl = holdTtl ? ["--hold-ttl", holdTtl] : [];
    const args = ["event", "load", path.join(VENUES, venue), "--event-id", id, "--open-sales", ...ttl];
    await run(path.join(BIN, "booking-svc"), args, { timeout: COMMAND_MS });
    return id;
}

/** An access token. @param {string} customer */
export async function mint(customer) {
    const args = ["token", "mint", "--role", "customer", "--sub", customer, "--ttl", "1h"];
    const { stdout } = await run(path.join(BIN, "booking-svc"), args, { timeout: COMMAND_MS });
    return stdout.trim();
}

/** Sells a part of an event, and audits it. @param {string} event @param {number} customers @param {number} seconds */
export async function sell(event, customers, seconds) {
    const args = ["demo", "--event", event, "--customers", String(customers), "--seconds", String(seconds)];
    // The audit reads more of the stores than the service may.
    const owner = { TE_REDIS_URL: need("TE_DEV_REDIS_URL"), TE_DATABASE_URL: need("TE_DEV_DATABASE_URL") };
    await run(path.join(BIN, "loadtest"), args, { env: { ...process.env, ...owner }, timeout: COMMAND_MS });
}

async function freePort() {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address();
    server.close();
    await once(server, "close");
    return port;
}

/** A gateway that can be stopped, killed and started again at its address. */
export class Gateway {
    #process = null;
    #port;

    static async start() {
        const gateway = new Gateway();
        gateway.#port = await freePort();
        await gateway.start();
        return gateway;
    }

    get url() {
        return `http://127.0.0.1:${this.#port}`;
    }

    /** The page of an event. @param {string} event @param {string} [token] */
    page(event, token) {
        return `${this.url}/?event=${event}${token ? `#token=${token}` : ""}`;
    }

    async start() {
        const settings = {
            TE_GATEWAY_LISTEN: `127.0.0.1:${this.#port}`,
            TE_DEMO_JWT_SECRET: need("TE_JWT_SECRET"),
            TE_HEARTBEAT: "2s",
            TE_DRAIN: "1s",
            TE_LOG: "warn",
        };
        this.#process = spawn(path.join(BIN, "ws-gateway"), {
            env: { ...process.env, ...settings },
            stdio: ["ignore", "inherit", "inherit"],
        });
        const end = Date.now() + READY_MS;
        for (;;) {
            const ready = await fetch(`${this.url}/readyz`).then((answer) => answer.ok, () => false);
            if (ready) return;
            if (Date.now() > end || this.#process.exitCode !== null) throw new Error("the gateway does not get ready");
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
    }

    /** SIGKILL. */
    async kill() {
        await this.#end("SIGKILL");
    }

    /** SIGTERM: it tells its sockets to come back. */
    async stop() {
        const timer = setTimeout(() => this.#process?.kill("SIGKILL"), STOP_MS);
        await this.#end("SIGTERM");
        clearTimeout(timer);
    }

    async #end(signal) {
        const process = this.#process;
        this.#process = null;
        if (!process || process.exitCode !== null || process.signalCode !== null) return;
        const ended = once(process, "exit");
        process.kill(signal);
        await ended;
    }
}
