// Customers arrive at a constant rate, whatever the service does, and want one or two seats of a house that sells out.
// Most pay, some give back, some walk away. Every answer is a success or a clear refusal, or the run fails.

import grpc from "k6/net/grpc";
import { Counter, Trend } from "k6/metrics";

import { call, event_id, seatCount, unique } from "./service.js";
import { number } from "./setting.js";

const RATE = number("TE_RATE", 300);
const SECONDS = number("TE_SECONDS", 30);
const VUS = number("TE_VUS", 200);
// On a machine that is shared with the service and its stores.
const P95_MS = number("TE_P95_MS", 250);
// So few seats are wanted that they are gone before the run ends.
const HOT_SEATS = number("TE_HOT_SEATS", 1000);
// The part of the winners that pays, and that gives back.
const PAYS = 0.7;
const GIVES_BACK = 0.2;

const reserved = new Counter("te_reserved");
const refused = new Counter("te_refused");
const booked = new Counter("te_booked");
const released = new Counter("te_released");
const unexpected = new Counter("te_unexpected");
const reserve_ms = new Trend("te_reserve_ms", true);
const confirm_ms = new Trend("te_confirm_ms", true);

export const options = {
    scenarios: {
        sale: {
            executor: "constant-arrival-rate",
            rate: RATE,
            timeUnit: "1s",
            duration: `${SECONDS}s`,
            preAllocatedVUs: VUS,
            maxVUs: VUS,
        },
    },
    thresholds: {
        te_unexpected: ["count==0"],
        te_reserved: ["count>0"],
        te_booked: ["count>0"],
        te_reserve_ms: [`p(95)<${P95_MS}`],
        te_confirm_ms: [`p(95)<${P95_MS}`],
        // Arrivals for which no virtual user was free: beyond this the rate was not the one that was asked for.
        dropped_iterations: [`count<=${Math.ceil((RATE * SECONDS) / 100)}`],
    },
    summaryTrendStats: ["min", "med", "p(95)", "p(99)", "p(99.9)", "max"],
};

// A counter or dropped_iterations that was never added to has no threshold, unless it exists.
export function setup() {
    for (const counter of [unexpected, refused, released]) counter.add(0);
    return { seats: Math.min(seatCount(), HOT_SEATS) };
}

export default function ({ seats }) {
    const customer_id = unique("k6");
    const seat = Math.floor(Math.random() * (seats - 1));
    const seat_ids = Math.random() < 0.5 ? [seat] : [seat, seat + 1];
    const answer = timed(reserve_ms, "Reserve", { event_id, seat_ids, request_id: unique("r"), customer_id });
    if (answer.status === grpc.StatusFailedPrecondition) return refused.add(1);
    if (!good("Reserve", answer)) return;
    reserved.add(1);

    const { reservation, reservationToken: reservation_token } = answer.message;
    const hold = { reservation_id: reservation.reservationId, reservation_token, customer_id };
    const mood = Math.random();
    if (mood < PAYS) {
        const payment_reference = `pay-${customer_id}`;
        if (good("Confirm", timed(confirm_ms, "Confirm", { ...hold, payment_reference }))) booked.add(1);
    } else if (mood < PAYS + GIVES_BACK) {
        if (good("Release", call("Release", hold))) released.add(1);
    }
}

function timed(trend, method, request) {
    const start = Date.now();
    const answer = call(method, request);
    trend.add(Date.now() - start);
    return answer;
}

function good(method, { status, error }) {
    if (status === grpc.StatusOK) return true;
    unexpected.add(1);
    console.error(`${method}: status ${status}: ${error && error.message}`);
    return false;
}
