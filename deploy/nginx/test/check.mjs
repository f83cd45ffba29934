// Calls booking-svc through nginx, and fails where something was lost on the way.
//
//   node check.mjs watch URL EVENT SEAT SECONDS     a stream lives for so long, and then still brings a change of the seat
//   node check.mjs burst URL EVENT SEAT CALLS       so many Reserves over one connection, from this seat on: all answered
//   node check.mjs refusal URL EVENT SEAT SEATS     so many taken seats are refused, each by name
//   node check.mjs sell URL EVENT SEAT REPEATS      sells seat after seat until SIGTERM; no call needs more repeats
//
// TE_TOKEN is an access token of the role `service`.

import { setTimeout as sleep } from "node:timers/promises";
import { DEADLINE_EXCEEDED, UNAVAILABLE, begin, call, connect, fields, message } from "./grpc.mjs";

const [command, url, event, first, number] = process.argv.slice(2);
const token = process.env.TE_TOKEN;
const [seat, amount] = [Number(first), Number(number)];
const FAILED_PRECONDITION = 9;

// Heartbeats come every second.
const silence_max_ms = 5_000;
const in_flight = 32;
const sellers = 16;
const pause_ms = 100;
const repeat_after_ms = 200;

const reserve = (seats, customer) => message({ 1: event, 2: seats, 3: `${customer}-${seats[0]}`, 4: customer });
const confirm = (id, proof, customer) => message({ 1: id, 2: `pay-${customer}`, 3: proof, 4: customer });

function fail(what) {
    console.error(`    WRONG: ${what}`);
    process.exit(1);
}

async function watch() {
    const [began, session] = [Date.now(), connect(url)];
    let [last, heartbeats, change] = [began, 0, 0];
    begin(session, token, "WatchSeats", message({ 1: event }), (bytes) => {
        last = Date.now();
        if (fields(bytes)[3]) heartbeats += 1;
        if (fields(bytes)[2] && last - began > amount * 1000) change = last;
    }).then(({ code, detail }) => fail(`the stream ended after ${Date.now() - began} ms: ${code} ${detail}`));
    while (Date.now() - began < amount * 1000) {
        await sleep(500);
        if (Date.now() - last > silence_max_ms) fail(`nothing came for ${Date.now() - last} ms`);
    }
    if (heartbeats < amount / 4) fail(`only ${heartbeats} heartbeats in ${amount} s`);
    const taken = await call(session, token, "Reserve", reserve([seat], "watcher"));
    if (taken.code !== 0) fail(`Reserve: ${taken.code} ${taken.detail}`);
    await sleep(1000);
    if (!change) fail("the change did not come");
    console.log(`    ${heartbeats} heartbeats in ${amount} s, then the change`);
}

async function burst() {
    const session = connect(url);
    let next = seat;
    const caller = async () => {
        while (next < seat + amount) {
            const mine = next++;
            const { code, detail } = await call(session, token, "Reserve", reserve([mine], `burst-${mine}`));
            if (code !== 0) fail(`Reserve of seat ${mine}: ${code} ${detail}`);
        }
    };
    await Promise.all(Array.from({ length: in_flight }, caller));
    console.log(`    ${amount} calls over one connection`);
}

async function refusal() {
    const [session, seats] = [connect(url), Array.from({ length: amount }, (_, index) => seat + index)];
    const won = await call(session, token, "Reserve", reserve(seats, "winner"));
    if (won.code !== 0) fail(`the first Reserve: ${won.code} ${won.detail}`);
    const lost = await call(session, token, "Reserve", reserve(seats, "loser"));
    if (lost.code !== FAILED_PRECONDITION) fail(`the second Reserve: ${lost.code} ${lost.detail}`);
    console.log(`    ${lost.detail}`);
}

async function sell() {
    const sessions = [];
    const counts = { calls: 0, repeated: 0 };
    let [next, ended] = [seat, false];
    process.on("SIGTERM", () => (ended = true));
    // The same connection again and again, as a client has it; a new one where that has ended.
    const line = (index) => {
        if (!sessions[index] || sessions[index].closed || sessions[index].destroyed) sessions[index] = connect(url);
        return sessions[index];
    };
    const persist = async (index, method, request) => {
        counts.calls += 1;
        for (let repeats = 0; ; repeats++) {
            const { code, detail, answer } = await call(line(index), token, method, request);
            if (code === 0) return fields(answer);
            const what = `${method}: ${code} ${detail}`;
            if (![UNAVAILABLE, DEADLINE_EXCEEDED].includes(code) || repeats === amount) fail(`${what}, after ${repeats} repeats`);
            counts.repeated += 1;
            counts[what] = (counts[what] ?? 0) + 1;
            await sleep(repeat_after_ms);
        }
    };
    const seller = async (_, index) => {
        while (!ended) {
            const mine = next++;
            const customer = `sell-${mine}`;
            const held = await persist(index % 4, "Reserve", reserve([mine], customer));
            await persist(index % 4, "Confirm", confirm(fields(held[1])[1], held[2], customer));
            await sleep(pause_ms);
        }
    };
    await Promise.all(Array.from({ length: sellers }, seller));
    if (counts.calls < 100) fail(`only ${counts.calls} calls`);
    console.log(`    ${JSON.stringify(counts)}`);
}

const commands = { watch, burst, refusal, sell };
await commands[command]();
process.exit(0);
