// What became of holds and bookings that this device remembers.

/** Reservations that are not over. */
export const ALIVE = new Set(["held", "confirming"]);
/** There is no such hold, or it is not one's own. */
const GONE = new Set(["NOT_FOUND", "PERMISSION_DENIED"]);

/**
 * The own hold; where this tab has none, the newest that is not over. Fails where the gateway can not say.
 * @param {import("../client/ticketengine.js").Connection} connection
 * @param {import("./memory.js").Memory} memory
 * @param {string | null} own its id
 * @returns {Promise<{hold: import("./memory.js").Hold, reservation: any} | null>}
 */
export async function recall(connection, memory, own) {
    const holds = memory.holds.sort((a, b) => (b.reservationId === own) - (a.reservationId === own));
    let ended = null;
    for (const hold of holds) {
        const reservation = await follow(connection, memory, hold);
        if (!reservation) continue;
        if (ALIVE.has(reservation.state) || reservation.state === "booked") return { hold, reservation };
        memory.drop(hold.reservationId);
        ended ??= { hold, reservation };
    }
    return ended;
}

async function follow(connection, memory, { reservationId, reservationToken }) {
    try {
        return (await connection.follow(reservationId, reservationToken)).reservation;
    } catch (error) {
        if (!GONE.has(error.code)) throw error;
        memory.drop(reservationId);
        return null;
    }
}

/**
 * Bookings may have been cancelled elsewhere: then their seats are not one's own any more.
 * @returns {Promise<boolean>} whether there were any
 */
export async function withoutCancelled(connection, memory) {
    let some = false;
    for (const { booking_id: id } of memory.bookings) {
        const found = await connection.follow(id).catch(() => null);
        if (found?.reservation.state !== "cancelled") continue;
        memory.bookings = memory.bookings.filter(({ booking_id: other }) => other !== id);
        some = true;
    }
    return some;
}

/** A booking as it would have been answered: the hold was confirmed in another tab, or the answer was lost. */
export function asBooking(reservation, hold) {
    const { reservation_id, event_id, customer_id, seat_ids, total_minor, currency } = reservation;
    const reference = hold?.paymentReference ?? "";
    return {
        booking_id: reservation_id,
        event_id,
        customer_id,
        seat_ids,
        total_minor,
        currency,
        state: "confirmed",
        payment_reference: reference,
        created_at_ms: Date.now(),
    };
}
