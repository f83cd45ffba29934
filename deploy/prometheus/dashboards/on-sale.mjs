// What the people of the product watch while a sale goes on.

import { dashboard, row } from "./dashboard.mjs";
import { NAMESPACE, graph, quantiles, rateBy, stat, steps, sumRate } from "./panels.mjs";

const RESERVE = `${NAMESPACE}, rpc_method="ticketengine.booking.v1.BookingService/Reserve"`;
const CONFIRM = `${NAMESPACE}, rpc_method="ticketengine.booking.v1.BookingService/Confirm"`;
const DURATION = "rpc_server_call_duration_seconds";
const OURS = "and on (namespace, job, instance) ticketengine_build_info";
const UP = [{ type: "value", options: { 0: { text: "down", color: "red" }, 1: { text: "up", color: "green" } } }];

const inRange = (metric, labels) => `sum(increase(${metric}{${labels}}[$__range])) or vector(0)`;
const worst = (metric, labels = NAMESPACE) => `max(${metric}{${labels}})`;

export default dashboard({
    uid: "ticketengine-on-sale",
    title: "TicketEngine / On-sale",
    description: "How a sale goes: who tries, who gets seats, who buys, and whether both stores keep up.",
    refresh: "5s",
    from: "now-15m",
    rows: [
        row(
            "The sale",
            stat("Tries", "Reserves a second, repeats left out.", "reqps", [
                ["tries", sumRate("ticketengine_reserve_total", `${NAMESPACE}, outcome!="repeated"`)],
            ]),
            stat("Got seats", "Of all tries that were decided in 5 minutes, the share that was granted.", "percentunit", [
                ["{{namespace}}", `booking_success_rate{${NAMESPACE}}`],
            ], { min: 0, max: 1 }),
            stat("Found them taken", "Of the same, the share that found a seat taken.", "percentunit", [
                ["{{namespace}}", `booking_conflict_rate{${NAMESPACE}}`],
            ], { min: 0, max: 1 }),
            stat("Never touched PostgreSQL", "Of all Reserves and Confirms in 5 minutes, the share that board and gate answered.", "percentunit", [
                ["{{namespace}}", `ticketengine:funnel_spared:ratio5m{${NAMESPACE}}`],
            ], { min: 0, max: 1 }),
            stat("Bought", "Holds that became bookings, in the time shown.", "short", [
                ["bookings", inRange("ticketengine_holds_confirmed_total", NAMESPACE)],
            ]),
            stat("People who watch", "WebSockets that are open at all gateways.", "short", [
                ["people", `sum(active_connections{${NAMESPACE}} ${OURS})`],
            ]),
        ),
        row(
            "Tries and holds",
            graph("Tries by outcome", "Reserves a second. Taken is an answer as good as granted.", "reqps", [
                ["{{outcome}}", rateBy("outcome", "ticketengine_reserve_total", NAMESPACE)],
            ], { stack: true }),
            graph("Where they stopped", "Reserves and Confirms a second by the last level that they reached: the board in memory, the gate in Redis, the vault in PostgreSQL.", "reqps", [
                ["{{level}}", rateBy("level", "ticketengine_reserve_total", NAMESPACE)],
                ["vault", sumRate("ticketengine_confirm_total", NAMESPACE)],
            ], { stack: true }),
            graph("Shares", "Of 5 minutes each.", "percentunit", [
                ["got seats {{namespace}}", `booking_success_rate{${NAMESPACE}}`],
                ["found them taken {{namespace}}", `booking_conflict_rate{${NAMESPACE}}`],
                ["never touched PostgreSQL {{namespace}}", `ticketengine:funnel_spared:ratio5m{${NAMESPACE}}`],
            ], { max: 1 }),
            graph("Holds", "Holds a second: those that began, and how they ended.", "ops", [
                ["taken", sumRate("ticketengine_holds_taken_total", NAMESPACE)],
                ["confirmed", sumRate("ticketengine_holds_confirmed_total", NAMESPACE)],
                ["released", sumRate("ticketengine_holds_released_total", NAMESPACE)],
                ["expired", sumRate("ticketengine_holds_expired_total", NAMESPACE)],
            ]),
            graph("Purchases", "Answers to Confirm a second, repeats included. Void: the hold had ended.", "ops", [
                ["{{outcome}}", rateBy("outcome", "ticketengine_confirm_total", NAMESPACE)],
            ]),
            graph("People who watch", "WebSockets that are open at all gateways.", "short", [
                ["people", `sum(active_connections{${NAMESPACE}} ${OURS})`],
            ]),
        ),
        row(
            "How long it takes",
            graph("Reserve", "The promise is 99 % within 25 ms.", "s", quantiles(DURATION, RESERVE), {
                width: 12,
                thresholds: steps([0.025, "red"]),
            }),
            graph("Confirm", "With the commit in PostgreSQL.", "s", quantiles(DURATION, CONFIRM), { width: 12 }),
        ),
        row(
            "Health",
            stat("Stores", "Up where any replica finds it answering.", "none", [
                ["{{store}}", `max by (store) (ticketengine_stores_up{${NAMESPACE}})`],
            ], { mappings: UP, thresholds: steps() }),
            stat("Cold events", "Events whose seats Redis has lost, and that are not rebuilt yet.", "short", [
                ["events", worst("ticketengine_events_cold")],
            ], { thresholds: steps([1, "red"]) }),
            stat("Stale rooms", "Events of which a gateway shows old seats.", "short", [
                ["events", worst("ticketengine_gateway_rooms_stale")],
            ], { thresholds: steps([1, "orange"]) }),
            stat("Drift", "Seats on which Redis and PostgreSQL differ.", "short", [
                ["seats", worst("ticketengine_drift_seats")],
            ], { thresholds: steps([1, "red"]) }),
            stat("Budget burn", "How fast the error budget of 30 days is used up in the last hour. 14.4 wakes somebody.", "none", [
                ["{{slo}}", `max by (slo) (ticketengine:slo_burn:ratio1h{${NAMESPACE}})`],
            ], { thresholds: steps([1, "orange"], [14.4, "red"]) }),
            stat("Epoch", "The highest of any event: it rises when a gate is rebuilt.", "none", [
                ["epoch", worst("ticketengine_epoch_max")],
            ]),
        ),
    ],
});
