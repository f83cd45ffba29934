// ws-gateway, for who looks after it.

import { dashboard, row } from "./dashboard.mjs";
import {
    INSTANCE, RATE, graph, quantileBy, rateBy, shortMethod, stat, steps, sumRate,
} from "./panels.mjs";

const HTTP = "http_request_duration_seconds";
const CALLS = "rpc_client_call_duration_seconds";
const UPGRADED = `${INSTANCE}, http_response_status_code="101"`;
const NOT_UPGRADED = `${INSTANCE}, http_response_status_code!="101"`;

const total = (metric) => `sum(${metric}{${INSTANCE}})`;
const conflated = `(${sumRate("ticketengine_gateway_conflated_total", INSTANCE)}) / sum(rate(ticketengine_gateway_frames_total{${INSTANCE}, kind="changes"}${RATE}))`;

export default dashboard({
    uid: "ticketengine-gateway",
    title: "TicketEngine / Gateway",
    description: "ws-gateway: its sockets, what they are sent, HTTP, the way to booking-svc, its processes.",
    program: "ws-gateway",
    rows: [
        row(
            "At a glance",
            stat("Connections", "WebSockets that are open.", "short", [["open", total("active_connections")]]),
            stat("Messages", "Frames to browsers a second.", "ops", [["frames", sumRate("ticketengine_gateway_frames_total", INSTANCE)]]),
            stat("Round", "95 of 100 rounds are written to the last who was ready within this.", "s", [
                ["p95", quantileBy(0.95, "", "ticketengine_gateway_flush_seconds", INSTANCE)],
            ], { thresholds: steps([0.1, "orange"], [0.5, "red"]) }),
            stat("Targets", "Replicas of booking-svc that serve, at the gateway that sees the fewest.", "short", [
                ["serving", `min(ticketengine_gateway_targets{${INSTANCE}, state="serving"})`],
            ], { thresholds: { mode: "absolute", steps: [{ color: "red", value: null }, { color: "green", value: 1 }] } }),
            stat("Stale rooms", "Events whose seats are old.", "short", [["rooms", total("ticketengine_gateway_rooms_stale")]], {
                thresholds: steps([1, "orange"]),
            }),
            stat("Turned away", "Requests and connections a second.", "ops", [
                ["refused", sumRate("ticketengine_gateway_refused_total", INSTANCE)],
            ], { thresholds: steps([1, "orange"]) }),
        ),
        row(
            "Sockets",
            graph("Connections", "By gateway.", "short", [["{{instance}}", `active_connections{${INSTANCE}}`]], { width: 6 }),
            graph("Full", "Connections of those that there may be, by gateway.", "percentunit", [
                ["{{instance}}", `active_connections{${INSTANCE}} / ticketengine_gateway_connections_max{${INSTANCE}}`],
            ], { max: 1, width: 6, thresholds: steps([0.9, "red"]) }),
            graph("Opened", "Upgrades a second.", "ops", [["upgrades", sumRate(`${HTTP}_count`, UPGRADED)]], { width: 6 }),
            graph("Closed", "By the code that the gateway said; gone where the client went first.", "ops", [
                ["{{code}}", rateBy("code", "ticketengine_gateway_closes_total", INSTANCE)],
            ], { width: 6 }),
            graph("Turned away", "By the reason of the error.", "ops", [
                ["{{reason}}", rateBy("reason", "ticketengine_gateway_refused_total", INSTANCE)],
            ]),
            graph("Stalled", "Clients a second that took no byte for TE_STALL_MAX.", "ops", [
                ["stalled", sumRate("ticketengine_gateway_stalled_total", INSTANCE)],
            ]),
            graph("Rooms", "Events that are watched, and of them those whose seats are old.", "short", [
                ["rooms", total("ticketengine_gateway_rooms")],
                ["stale", total("ticketengine_gateway_rooms_stale")],
            ]),
        ),
        row(
            "What they are sent",
            graph("Frames by kind", "A second.", "ops", [
                ["{{kind}}", rateBy("kind", "ticketengine_gateway_frames_total", INSTANCE)],
            ], { stack: true }),
            graph("Bytes", "A second, without WebSocket's own.", "Bps", [
                ["sent", sumRate("ticketengine_gateway_sent_bytes_total", INSTANCE)],
            ]),
            graph("Rounds", "A second, in which a room had something new.", "ops", [
                ["rounds", sumRate("ticketengine_gateway_ticks_total", INSTANCE)],
            ]),
            graph("How long a round takes", "Until it was written to the last who was ready.", "s", [
                ["p50", quantileBy(0.5, "", "ticketengine_gateway_flush_seconds", INSTANCE)],
                ["p95", quantileBy(0.95, "", "ticketengine_gateway_flush_seconds", INSTANCE)],
                ["p99", quantileBy(0.99, "", "ticketengine_gateway_flush_seconds", INSTANCE)],
            ], { width: 12 }),
            graph("Merged frames", "Of all frames of changes, the share that merges several rounds for one who fell behind.", "percentunit", [
                ["share", conflated],
            ], { max: 1, width: 12 }),
        ),
        row(
            "HTTP",
            graph("Requests by route", "A second.", "reqps", [["{{http_route}}", rateBy("http_route", `${HTTP}_count`, INSTANCE)]]),
            graph("Requests by code", "101 is an upgrade.", "reqps", [
                ["{{http_response_status_code}}", rateBy("http_response_status_code", `${HTTP}_count`, INSTANCE)],
            ]),
            graph("95 of 100 requests within", "By route, without upgrades.", "s", [
                ["{{http_route}}", quantileBy(0.95, "http_route", HTTP, NOT_UPGRADED)],
            ]),
        ),
        row(
            "booking-svc, as the gateway sees it",
            graph("Targets", "Addresses of booking-svc by state, by gateway.", "short", [
                ["{{state}} {{instance}}", `ticketengine_gateway_targets{${INSTANCE}}`],
            ]),
            graph("Streams begun again", "Streams of WatchSeats a second that ended and were begun again.", "ops", [
                ["streams", sumRate("ticketengine_gateway_upstream_reconnects_total", INSTANCE)],
            ]),
            graph("95 of 100 calls within", "By method.", "s", [
                ["{{rpc_method}}", shortMethod(quantileBy(0.95, "rpc_method", CALLS, INSTANCE))],
            ]),
            graph("Calls by code", "A second.", "reqps", [
                ["{{rpc_response_status_code}}", rateBy("rpc_response_status_code", `${CALLS}_count`, INSTANCE)],
            ], { width: 24 }),
        ),
        row(
            "Processes",
            graph("CPU", "Cores, by gateway.", "short", [["{{instance}}", `rate(process_cpu_seconds_total{${INSTANCE}}${RATE})`]]),
            graph("CPU for 1000 connections", "Cores.", "short", [
                ["{{instance}}", `1000 * rate(process_cpu_seconds_total{${INSTANCE}}${RATE}) / (active_connections{${INSTANCE}} > 0)`],
            ]),
            graph("Open files", "Of those that it may open.", "percentunit", [
                ["{{instance}}", `process_open_fds{${INSTANCE}} / process_max_fds{${INSTANCE}}`],
            ], { thresholds: steps([0.8, "orange"]) }),
            graph("Memory", "Resident, by gateway.", "bytes", [["{{instance}}", `process_resident_memory_bytes{${INSTANCE}}`]], { width: 12 }),
            graph("Memory for a connection", "All of it, divided.", "bytes", [
                ["{{instance}}", `process_resident_memory_bytes{${INSTANCE}} / (active_connections{${INSTANCE}} > 0)`],
            ], { width: 12 }),
        ),
    ],
});
