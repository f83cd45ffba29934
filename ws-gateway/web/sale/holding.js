// The way from chosen seats to a booking: hold, extend, release, pay; and what went wrong on it.

import { freshId } from "../client/ids.js";
import { Memory } from "./memory.js";
import { nearby } from "./near.js";

/** After a hold should have ended, how long to wait for the gate to say so, in milliseconds. */
const END_GRACE_MS = 1500;
/** Reservations that are not over. */
const ALIVE = new Set(["held", "confirming"]);
/** Answers after which the same order may still have succeeded: it is asked for again, not anew. */
const UNKNOWN = new Set(["NO_ANSWER", "CLOSED", "DISCONNECTED"]);

const SAYS = {
    HOLD_EXPIRED: "Your hold has ended, and the seats are on sale again.",
    HOLD_RELEASED: "These seats were released already.",
    SEAT_LOST: "A seat was sold to somebody else at the last moment. Nothing was booked, and you are not charged.",
    CUSTOMER_LIMIT: "That is more than one customer can have for this event.",
    EXTENSION_LIMIT: "This hold can not be extended any further.",
    CONFIRM_IN_PROGRESS: "The payment is being decided. One moment, please.",
    SALE_NOT_OPEN: "The sale is not open.",
    GATE_REBUILDING: "The box office is starting again. Please try once more in a moment.",
    OVERLOADED: "Many people are buying right now. Please try once more.",
    NO_ANSWER: "There was no answer in time. Try once more: nothing is held or paid twice.",
};

export class Holding {
    /** "pick", "asking" (for a hold), "held", "paying" (the form), "confirming" or "booked" */
    phase = "pick";
    /** @type {any} as on the wire */
    reservation = null;
    /** When the hold ends, by `performance.now()`. */
    endsAt = 0;
    /** What the visitor has to know and can act on. @type {{kind: string, text: string, groups?: any[]} | null} */
    alert = null;
    /** The booking that was just made. */
    booking = null;
    busy = false;
    #sale;
    #timer = null;

    /** @param {import("./sale.js").Sale} sale */
    constructor(sale) {
        this.#sale = sale;
        sale.connection.on("reservation", (reservation) => this.#heard(reservation));
        sale.connection.on("unauthenticated", () => this.#strange());
    }

    get #memory() {
        const { event, identity } = this.#sale;
        return identity && new Memory(event.event_id, identity.customerId);
    }

    /** Seats of the hold. @returns {number[]} */
    get seats() {
        return this.active ? this.reservation.seat_ids : [];
    }

    get active() {
        return this.reservation !== null && ALIVE.has(this.reservation.state);
    }

    /** @returns {any[]} */
    get bookings() {
        return this.#memory?.bookings ?? [];
    }

    get seatsOwned() {
        return this.seats.length + this.bookings.reduce((sum, { seat_ids: seats }) => sum + seats.length, 0);
    }

    get remainingMs() {
        return Math.max(0, this.endsAt - performance.now());
    }

    get extendable() {
        const { extend_limit_at_ms: limit, expires_at_ms: end } = this.reservation;
        return end < limit - 500;
    }

    /** Somebody else buys now: what the one before holds stays theirs. */
    forget() {
        clearTimeout(this.#timer);
        Object.assign(this, { reservation: null, booking: null, alert: null, busy: false });
        this.#enter("pick");
    }

    /** After a reload or a sign-in: the order, hold and bookings of before. */
    async restore() {
        const memory = this.#memory;
        if (!memory) return;
        if (memory.bookings.length) this.#tell();
        const { hold, order } = memory;
        if (hold) {
            try {
                const { reservation } = await this.#sale.connection.follow(hold.reservationId, hold.reservationToken);
                this.#heard(reservation, true);
            } catch (error) {
                if (error.code === "NOT_FOUND" || error.code === "PERMISSION_DENIED") memory.hold = null;
            }
        } else if (order) await this.#order(order);
    }

    /** Asks for the seats that are chosen, all or none. */
    async hold(seats = [...this.#sale.selection]) {
        if (this.phase !== "pick" || seats.length === 0) return;
        this.alert = null;
        this.booking = null;
        const last = this.#memory.order;
        // An order without an answer is the same order when it is asked for again.
        const same = last && last.seats.length === seats.length && last.seats.every((seat) => seats.includes(seat));
        await this.#order(same ? last : { requestId: freshId(), seats });
    }

    async #order(order) {
        const memory = this.#memory;
        memory.order = order;
        this.#enter("asking");
        try {
            const { reservation, reservation_token: token } = await this.#sale.connection.reserve(order);
            memory.order = null;
            const paymentReference = `demo-${freshId()}`;
            memory.hold = { reservationId: reservation.reservation_id, reservationToken: token, paymentReference };
            if (ALIVE.has(reservation.state)) this.#sale.choose([]);
            this.#heard(reservation, true);
        } catch (error) {
            if (!UNKNOWN.has(error.reason)) memory.order = null;
            this.#enter("pick");
            this.#refused(error, order.seats);
        }
    }

    #refused(error, seats) {
        const { board, house, selection } = this.#sale;
        if (error.reason === "SEAT_UNAVAILABLE") {
            const named = error.seats.map(({ seat_id: seat }) => seat);
            const taken = named.length ? named : seats.filter((seat) => board.get(seat) !== 0);
            this.#sale.choose([...selection].filter((seat) => !taken.includes(seat)));
            const verb = taken.length === 1 ? "was" : "were";
            const what = taken.length ? house.names(taken) : "A seat";
            const rest = seats.length > taken.length ? " Nothing is held yet." : "";
            this.lose(taken, seats, `Somebody was faster: ${what} ${verb} taken a moment ago.${rest}`);
        } else if (error.code === "UNAUTHENTICATED") this.#strange();
        else this.#warn(error);
    }

    /**
     * Seats are lost: says so, with what is free nearby.
     * @param {number[]} lost
     * @param {number[]} wanted in all
     * @param {string} text
     */
    lose(lost, wanted, text) {
        const { house } = this.#sale;
        // A moment ago they were held: a board that lags would offer them again.
        const groups = nearby(house, (seat) => this.#sale.isFree(seat) && !lost.includes(seat), wanted);
        this.alert = { kind: "lost", text, groups, lost };
        this.#tell();
        this.#sale.say(text, "alert");
    }

    async extend() {
        await this.#act("extend", ({ reservationId, reservationToken }) =>
            this.#sale.connection.extend(reservationId, reservationToken),
        );
    }

    async release() {
        const done = await this.#act("release", ({ reservationId, reservationToken }) =>
            this.#sale.connection.release(reservationId, reservationToken),
        );
        if (done) this.#sale.say("Your seats are released. No hard feelings.", "plain");
    }

    /** Pays with what stands in for a payment provider: its reference is all that the engine hears of a payment. */
    async pay() {
        const hold = this.#memory.hold;
        this.alert = null;
        this.#enter("confirming");
        try {
            const { connection } = this.#sale;
            const { booking } = await connection.confirm(
                hold.reservationId,
                hold.paymentReference,
                hold.reservationToken,
            );
            this.#booked(booking);
        } catch (error) {
            if (!this.active) return;
            this.#enter("held");
            this.#warn(error);
            if (["HOLD_EXPIRED", "HOLD_RELEASED", "SEAT_LOST"].includes(error.reason)) this.#over();
        }
    }

    /** Back from the payment form or on to it. @param {boolean} open */
    showPayment(open) {
        this.alert = null;
        this.#enter(open ? "paying" : "held");
    }

    /** The payment failed: the seats stay held. */
    refusePayment() {
        this.#enter("paying");
        this.#alarm("The card was refused. Your seats are still held: try another.");
    }

    /** The booking was seen: on to the next. */
    done() {
        this.booking = null;
        this.alert = null;
        this.#enter("pick");
    }

    dismiss() {
        this.alert = null;
        this.#tell();
    }

    async #act(name, call) {
        if (this.busy) return false;
        this.busy = true;
        this.alert = null;
        this.#tell();
        try {
            const memory = this.#memory;
            const { reservation, reservation_token: token } = await call(memory.hold);
            // A longer hold has a new proof.
            if (token && memory.hold) memory.hold = { ...memory.hold, reservationToken: token };
            this.busy = false;
            this.#heard(reservation, true);
            return true;
        } catch (error) {
            this.busy = false;
            this.#warn(error);
            if (["HOLD_EXPIRED", "HOLD_RELEASED"].includes(error.reason)) this.#over();
            return false;
        }
    }

    /** What became of the hold, from a reply or because the gateway says so. */
    #heard(reservation, asked = false) {
        const known = this.reservation?.reservation_id ?? this.#memory?.hold?.reservationId;
        if (known !== undefined && known !== reservation.reservation_id) return;
        const { state } = reservation;
        if (ALIVE.has(state)) {
            this.reservation = reservation;
            this.endsAt = performance.now() + reservation.expires_in_ms;
            const paying = this.phase === "paying" || this.phase === "confirming";
            this.#enter(paying ? this.phase : "held");
            this.#watch();
        } else if (state === "booked") this.#booked(asBooking(reservation, this.#memory?.hold));
        else if (this.active || asked) {
            const reasons = { expired: "HOLD_EXPIRED", lost: "SEAT_LOST" };
            if (reasons[state]) this.#alarm(SAYS[reasons[state]]);
            this.#over();
        }
    }

    #booked(booking) {
        const memory = this.#memory;
        const others = memory.bookings.filter(({ booking_id: id }) => id !== booking.booking_id);
        memory.bookings = [booking, ...others];
        this.booking = booking;
        this.alert = null;
        this.#over("booked");
        this.#sale.say(`Booked. Your number is ${booking.booking_id}.`, "alert");
    }

    #over(phase = "pick") {
        clearTimeout(this.#timer);
        this.reservation = null;
        if (this.#memory) this.#memory.hold = null;
        this.#enter(phase);
    }

    /** The gate decides when a hold ends. Should it not say so, we ask. */
    #watch() {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => {
            const hold = this.#memory?.hold;
            if (!this.active || !hold) return;
            this.#sale.connection.follow(hold.reservationId, hold.reservationToken).then(
                ({ reservation }) => this.#heard(reservation, true),
                ({ code }) => code === "NOT_FOUND" && this.#over(),
            );
        }, this.remainingMs + END_GRACE_MS);
    }

    #strange() {
        this.#sale.signOut();
        this.#alarm("Please sign in again: your sign-in is not valid any more.");
    }

    #warn(error) {
        const { limit, has } = error.metadata ?? {};
        const more = error.reason === "CUSTOMER_LIMIT" && limit ? ` The limit is ${limit}, and you have ${has}.` : "";
        this.#alarm((SAYS[error.reason] ?? error.message ?? "That did not work.") + more);
    }

    #alarm(text) {
        this.alert = { kind: "warning", text };
        this.#tell();
        this.#sale.say(text, "alert");
    }

    #enter(phase) {
        this.phase = phase;
        this.#tell();
    }

    #tell() {
        this.#sale.emit("own", { seats: [] });
        this.#sale.emit("update");
    }
}

/** A booking as it would have been answered: the hold was confirmed in another tab, or the answer was lost. */
function asBooking(reservation, hold) {
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
