// Browsers that watch a sale at a gateway, so that there is something to measure: one of them holds a seat, one breaks the
// protocol, and some requests are for pages that are there, or not.
//
//   TE_DEV_GATEWAY=http://... TE_EVENT=arena TE_TOKEN=eyJ... node browsers.mjs COUNT SECONDS

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const [count, seconds] = process.argv.slice(2).map(Number);
const { TE_DEV_GATEWAY: gateway, TE_EVENT: event, TE_TOKEN: token } = process.env;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const NORMAL = 1000;

/** A socket that reads all and looks at nothing. */
async function watch() {
    const headers = {
        connection: "upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": randomBytes(16).toString("base64"),
        "sec-websocket-protocol": "ticketengine.v1.json",
    };
    const asked = request(`${gateway}/v1/events/${event}/seats`, { headers }).end();
    const [answer, socket] = await once(asked, "upgrade");
    if (answer.statusCode !== 101) throw new Error(`the upgrade was answered ${answer.statusCode}`);
    socket.on("error", () => {});
    return socket.resume();
}

/** One frame, masked as a client's has to be. */
function send(socket, kind, payload) {
    const mask = randomBytes(4);
    const length = payload.length < 126 ? [payload.length] : [126, payload.length >> 8, payload.length & 0xff];
    length[0] |= 0x80;
    const masked = payload.map((byte, index) => byte ^ mask[index % 4]);
    socket.write(Buffer.concat([Buffer.from([0x80 | kind, ...length]), mask, masked]));
}

async function command(socket, op, fields) {
    send(socket, TEXT, Buffer.from(JSON.stringify({ op, id: op, ...fields })));
    await once(socket, "data");
}

const close = Buffer.alloc(2);
close.writeUInt16BE(NORMAL);

const sockets = await Promise.all(Array.from({ length: count }, watch));
await command(sockets[0], "authenticate", { token });
await command(sockets[0], "reserve", { request_id: randomBytes(8).toString("hex"), seat_ids: [0] });
send(sockets[1], BINARY, Buffer.from("commands are text"));
const end = Date.now() + seconds * 1000;
while (Date.now() < end) {
    for (const path of ["/", "/v1/events", `/v1/events/${event}`, "/no-such-page"]) await (await fetch(gateway + path)).text();
    await sleep(1000);
}
for (const socket of sockets) send(socket, CLOSE, close);
await sleep(500);
for (const socket of sockets) socket.destroy();
