// Reserves seats one after the other and writes the requests that would confirm them: the data of ../ghz/confirm.yaml.

import { fail } from "k6";
import grpc from "k6/net/grpc";

import { call, event_id, seatCount, unique } from "./service.js";
import { number, setting } from "./setting.js";

const HOLDS = number("TE_HOLDS", 500);
const OUT = setting("TE_OUT");

export const options = {
    scenarios: { once: { executor: "shared-iterations", vus: 1, iterations: 1 } },
    setupTimeout: "60s",
};

// From the end of the house: the other scripts want seats at its beginning.
export function setup() {
    const last = seatCount() - 1;
    const requests = [];
    for (let seat = last; seat >= 0 && requests.length < HOLDS; seat--) {
        const customer_id = unique("ghz");
        const wish = { event_id, seat_ids: [seat], request_id: unique("r"), customer_id };
        const { status, message, error } = call("Reserve", wish);
        if (status === grpc.StatusFailedPrecondition) continue;
        if (status !== grpc.StatusOK) fail(`Reserve: ${error.message}`);
        const { reservation, reservationToken: reservation_token } = message;
        const reservation_id = reservation.reservationId;
        requests.push({ reservation_id, reservation_token, customer_id, payment_reference: `pay-${customer_id}` });
    }
    if (requests.length < HOLDS) fail(`only ${requests.length} seats are free`);
    return requests;
}

export default function () {}

// What setup returned is the only thing that reaches this place.
export function handleSummary({ setup_data }) {
    return { [OUT]: JSON.stringify(setup_data) };
}
