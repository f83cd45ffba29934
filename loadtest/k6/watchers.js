// Browsers that watch an event's seats at the gateway. Each must be greeted, get the house, and then every change:
// a gap in the versions, a frame out of order or a socket that closes early fails the run.

import { WebSocket } from "k6/websockets";
import { Counter } from "k6/metrics";

import { number, setting } from "./setting.js";

const SOCKETS = number("TE_SOCKETS", 100);
const SECONDS = number("TE_SECONDS", 30);
// How many changes all sockets together must see at least: 0 where nothing is sold meanwhile.
const CHANGES_MIN = number("TE_CHANGES_MIN", 0);
const PROTOCOL = "ticketengine.v1.json";
const NORMAL = 1000;

const url = `${setting("TE_DEV_GATEWAY").replace(/^http/, "ws")}/v1/events/${setting("TE_EVENT")}/seats`;

const hellos = new Counter("te_hellos");
const snapshots = new Counter("te_snapshots");
const changes = new Counter("te_changes");
const seats = new Counter("te_seats_changed");
const gaps = new Counter("te_gaps");
const broken = new Counter("te_broken");

export const options = {
    scenarios: {
        watch: {
            executor: "per-vu-iterations",
            vus: SOCKETS,
            iterations: 1,
            maxDuration: `${SECONDS + 30}s`,
        },
    },
    thresholds: {
        te_hellos: [`count==${SOCKETS}`],
        te_snapshots: [`count>=${SOCKETS}`],
        te_changes: [`count>=${CHANGES_MIN}`],
        te_gaps: ["count==0"],
        te_broken: ["count==0"],
        ws_connecting: ["p(95)<2000"],
    },
};

export function setup() {
    for (const counter of [changes, gaps, broken]) counter.add(0);
}

export default function () {
    const socket = new WebSocket(url, PROTOCOL);
    const view = { greeted: false, states: null, epoch: 0, version: 0 };
    let ending = false;

    socket.onopen = () => setTimeout(() => ((ending = true), socket.close(NORMAL)), SECONDS * 1000);
    socket.onmessage = ({ data }) => look(view, JSON.parse(data));
    socket.onerror = ({ error }) => ending || wrong(`the socket failed: ${error}`);
    socket.onclose = ({ code }) => ending || wrong(`closed early, with ${code}`);
}

function look(view, frame) {
    if (!view.greeted && frame.type !== "hello") return wrong(`the first frame is ${frame.type}, not hello`);
    switch (frame.type) {
        case "hello":
            view.greeted = true;
            return hellos.add(1);
        case "snapshot":
            snapshots.add(1);
            view.states = [...frame.states].map(Number);
            break;
        case "changes":
            if (!view.states) return wrong("changes before the snapshot");
            changes.add(1);
            // Nothing is missing where the frame begins no later than where the watcher is, and goes on from there.
            if (frame.epoch !== view.epoch || frame.after_version > view.version || frame.version <= view.version) {
                gaps.add(1);
                console.error(`at ${view.epoch}.${view.version}: ${JSON.stringify(frame)}`);
            }
            apply(view.states, frame);
            break;
        default:
            return;
    }
    view.epoch = frame.epoch;
    view.version = frame.version;
}

function apply(states, frame) {
    ["free", "held", "sold", "blocked"].forEach((name, state) => {
        for (const seat of frame[name] || []) {
            if (!(seat < states.length)) return wrong(`no such seat: ${seat}`);
            states[seat] = state;
            seats.add(1);
        }
    });
}

function wrong(what) {
    broken.add(1);
    console.error(what);
}
