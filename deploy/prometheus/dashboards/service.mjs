// booking-svc, for who looks after it.

import { dashboard, row } from "./dashboard.mjs";
import {
    INSTANCE, NAMESPACE, RATE, graph, heatmap, quantileBy, rateBy, shortMethod, stat, steps, sumRate, table,
} from "./panels.mjs";

const CALLS = "rpc_server_call_duration_seconds";
const STORE = "db_client_operation_duration_seconds";
const POOL = "db_client_connection_pool_name";
const BAD = `${INSTANCE}, rpc_response_status_code=~"UNAVAILABLE|DEADLINE_EXCEEDED|INTERNAL|UNKNOWN"`;

const worst = (metric) => `max(${metric}{${INSTANCE}})`;
const total = (metric) => `sum(${metric}{${INSTANCE}})`;
const REDIS = `${INSTANCE}, db_system_name="redis"`;
const POSTGRESQL = `${INSTANCE}, db_system_name="postgresql"`;

export default dashboard({
    uid: "ticketengine-service",
    title: "TicketEngine / Service",
    description: "booking-svc: its calls, its two stores, what it does in the background, its processes.",
    program: "booking-svc",
    rows: [
        row(
            "At a glance",
            stat("Calls", "Calls a second.", "reqps", [["calls", sumRate(`${CALLS}_count`, INSTANCE)]]),
            stat("Bad answers", "Of all calls, the share that was UNAVAILABLE, DEADLINE_EXCEEDED, INTERNAL or UNKNOWN.", "percentunit", [
                ["share", `(${sumRate(`${CALLS}_count`, BAD)}) / sum(rate(${CALLS}_count{${INSTANCE}}${RATE}))`],
            ], { thresholds: steps([0.001, "orange"], [0.0144, "red"]) }),
            stat("Stores", "1 where every replica finds it answering.", "none", [
                ["{{store}}", `min by (store) (ticketengine_stores_up{${INSTANCE}})`],
            ], { thresholds: { mode: "absolute", steps: [{ color: "red", value: null }, { color: "green", value: 1 }] } }),
            stat("Sweeper lag", "Since when not all that was due has been ended, by the best replica.", "s", [
                ["lag", `min(ticketengine_sweeper_lag_seconds{${INSTANCE}})`],
            ], { thresholds: steps([2, "orange"], [15, "red"]) }),
            stat("Cold events", "Events whose seats Redis has lost, and that are not rebuilt yet.", "short", [
                ["events", worst("ticketengine_events_cold")],
            ], { thresholds: steps([1, "red"]) }),
            stat("Drift", "Seats on which Redis and PostgreSQL differ.", "short", [
                ["seats", worst("ticketengine_drift_seats")],
            ], { thresholds: steps([1, "red"]) }),
        ),
        row(
            "Calls",
            graph("Calls by method", "Calls a second.", "reqps", [
                ["{{rpc_method}}", shortMethod(rateBy("rpc_method", `${CALLS}_count`, INSTANCE))],
            ], { stack: true }),
            graph("Calls by code", "FAILED_PRECONDITION is mostly a seat that is taken.", "reqps", [
                ["{{rpc_response_status_code}}", rateBy("rpc_response_status_code", `${CALLS}_count`, INSTANCE)],
            ], { stack: true }),
            graph("Bad answers", "Those that count against the error budget.", "reqps", [
                ["all", sumRate(`${CALLS}_count`, BAD)],
                ["bugs", sumRate(`${CALLS}_count`, `${INSTANCE}, rpc_response_status_code=~"INTERNAL|UNKNOWN"`)],
            ]),
            heatmap("Reserve", "How many took how long.", CALLS, `${INSTANCE}, rpc_method="ticketengine.booking.v1.BookingService/Reserve"`),
            heatmap("Confirm", "How many took how long.", CALLS, `${INSTANCE}, rpc_method="ticketengine.booking.v1.BookingService/Confirm"`),
            graph("95 of 100 calls within", "By method.", "s", [
                ["{{rpc_method}}", shortMethod(quantileBy(0.95, "rpc_method", CALLS, INSTANCE))],
            ], { width: 12 }),
            graph("Calls under way", "By replica; the bound is TE_CALLS_MAX.", "short", [
                ["{{instance}}", `ticketengine_calls{${INSTANCE}}`],
            ], { width: 12 }),
        ),
        row(
            "Redis and PostgreSQL",
            graph("Redis: 95 of 100 operations within", "By script.", "s", [
                ["{{db_operation_name}}", quantileBy(0.95, "db_operation_name", STORE, REDIS)],
            ]),
            graph("PostgreSQL: 95 of 100 operations within", "A decision waits for the commit of its batch.", "s", [
                ["{{db_operation_name}}", quantileBy(0.95, "db_operation_name", STORE, POSTGRESQL)],
            ]),
            graph("Operations", "A second, in each store.", "ops", [
                ["{{db_system_name}}", rateBy("db_system_name", `${STORE}_count`, INSTANCE)],
            ]),
            graph("Pools: connections in use", "Of those that there may be, the fullest replica.", "percentunit", [
                [`{{${POOL}}}`, `max by (${POOL}) (db_client_connection_count{${INSTANCE}, db_client_connection_state="used"} / ignoring (db_client_connection_state) db_client_connection_max{${INSTANCE}})`],
            ], { max: 1, thresholds: steps([0.9, "orange"]) }),
            graph("Pools: 95 of 100 waits within", "How long a connection was waited for.", "s", [
                [`{{${POOL}}}`, quantileBy(0.95, POOL, "db_client_connection_wait_time_seconds", INSTANCE)],
            ]),
            graph("Pools: waits in vain", "Waits a second that ended without a connection.", "ops", [
                ["waits", sumRate("db_client_connection_timeouts_total", INSTANCE)],
            ]),
            graph("Decisions in a commit", "More of them make each cheaper.", "short", [
                ["mean", `sum(rate(ticketengine_commit_decisions_sum{${INSTANCE}}${RATE})) / sum(rate(ticketengine_commit_decisions_count{${INSTANCE}}${RATE}))`],
                ["p95", quantileBy(0.95, "", "ticketengine_commit_decisions", INSTANCE)],
            ]),
            graph("Stores by replica", "1 where the replica's last look found the store answering.", "none", [
                ["{{store}} {{instance}}", `ticketengine_stores_up{${INSTANCE}}`],
            ], { max: 1, width: 16 }),
        ),
        row(
            "In the background",
            graph("Sweeper lag", "By replica.", "s", [["{{instance}}", `ticketengine_sweeper_lag_seconds{${INSTANCE}}`]], {
                thresholds: steps([15, "red"]),
            }),
            graph("Ended by time", "Holds, and Confirms that were left, a second.", "ops", [
                ["holds", sumRate("ticketengine_holds_expired_total", INSTANCE)],
                ["Confirms", sumRate("ticketengine_confirms_swept_total", INSTANCE)],
            ]),
            graph("Events", "Cold are those whose seats Redis has lost.", "short", [
                ["all", worst("ticketengine_events")],
                ["cold", worst("ticketengine_events_cold")],
            ]),
            graph("Boards", "Events that are followed, and of them those that are cut off.", "short", [
                ["boards", total("ticketengine_boards")],
                ["stale", total("ticketengine_boards_stale")],
                ["watchers", total("ticketengine_watchers")],
            ]),
            graph("Board lag", "The age of the oldest board, by replica.", "s", [
                ["{{instance}}", `ticketengine_board_lag_seconds{${INSTANCE}}`],
            ]),
            graph("Boards read as a whole", "A second, by why. Gaps that go on mean that a replica reads too slowly.", "ops", [
                ["{{why}}", rateBy("why", "ticketengine_boards_read_total", INSTANCE)],
            ]),
            graph("Drift", "Seats on which Redis and PostgreSQL differ.", "short", [
                ["now", worst("ticketengine_drift_seats")],
                ["found", `sum(increase(ticketengine_drift_found_total{${INSTANCE}}${RATE})) or vector(0)`],
            ]),
            graph("Rebuilds", "Gates rebuilt a second.", "ops", [
                ["lossless: {{lossless}}", rateBy("lossless", "ticketengine_rebuilds_total", INSTANCE)],
            ]),
            graph("Epoch", "The highest of any event.", "none", [["epoch", worst("ticketengine_epoch_max")]]),
        ),
        row(
            "Kafka",
            graph("Lag", "For how long the oldest change has waited, by replica. Empty without Kafka.", "s", [
                ["{{instance}}", `ticketengine_outbox_lag_seconds{${INSTANCE}}`],
            ], { thresholds: steps([60, "red"]) }),
            graph("Outbox", "Changes that wait; counted up to 100,000.", "short", [["changes", worst("ticketengine_outbox_waiting")]]),
            graph("Told, and failed", "Changes and turns a second.", "ops", [
                ["told", sumRate("ticketengine_outbox_delivered_total", INSTANCE)],
                ["failed by {{store}}", rateBy("store", "ticketengine_outbox_failures_total", INSTANCE)],
            ]),
        ),
        row(
            "Processes",
            graph("CPU", "Cores, by replica.", "short", [["{{instance}}", `rate(process_cpu_seconds_total{${INSTANCE}}${RATE})`]]),
            graph("Memory", "Resident, by replica.", "bytes", [["{{instance}}", `process_resident_memory_bytes{${INSTANCE}}`]]),
            graph("Open files", "Of those that it may open.", "percentunit", [
                ["{{instance}}", `process_open_fds{${INSTANCE}} / process_max_fds{${INSTANCE}}`],
            ], { thresholds: steps([0.8, "orange"]) }),
            graph("Up for", "Since the start of the process.", "s", [
                ["{{instance}}", `time() - process_start_time_seconds{${INSTANCE}}`],
            ], { width: 16 }),
            table("Versions", "What runs.", "replicas", `count by (program, version, revision) (ticketengine_build_info{${NAMESPACE}})`),
        ),
    ],
});
