// booking-svc over gRPC.

import { fail } from "k6";
import grpc from "k6/net/grpc";

import { setting } from "./setting.js";

const SERVICE = "ticketengine.booking.v1.BookingService";
const EVENTS = "ticketengine.booking.v1.EventService";
// Longer than the service takes for any answer, so that a late one is seen as late.
const CALL_TIMEOUT = "10s";

export const event_id = setting("TE_EVENT");

const targets = setting("TE_TARGETS").split(",");
const metadata = { authorization: `Bearer ${setting("TE_TOKEN")}` };
const client = new grpc.Client();
client.load(
    ["../../proto"],
    "ticketengine/booking/v1/booking_service.proto",
    "ticketengine/booking/v1/event_service.proto",
);

let connected = false;

// Each virtual user has one connection, made at its first call and kept.
function invoke(method, request) {
    if (!connected) {
        const [scheme, address] = targets[__VU % targets.length].split("://");
        client.connect(address, { plaintext: scheme === "http" });
        connected = true;
    }
    return client.invoke(method, request, { metadata, timeout: CALL_TIMEOUT });
}

/** Calls a method of BookingService. Look at the answer's `status`. */
export const call = (method, request) => invoke(`${SERVICE}/${method}`, request);

/** How many seats the event has. */
export function seatCount() {
    const { status, message, error } = invoke(`${EVENTS}/GetEvent`, { event_id });
    if (status !== grpc.StatusOK) fail(`GetEvent of ${event_id}: ${error.message}`);
    return message.event.seatCount;
}

/** A word that nobody had before. */
export const unique = (name) => `${name}-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`;
