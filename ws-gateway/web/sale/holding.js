// The way from chosen seats to a booking: hold, extend, release, pay; and what went wrong on it.

import { Backoff } from "../client/backoff.js";
import { freshId } from "../client/ids.js";
import { duration } from "../format.js";
import { Memory } from "./memory.js";
import { nearby } from "./near.js";
import { ALIVE, asBooking, recall, withoutCancelled } from "./recall.js";
import { SAYS, inWords } from "./says.js";

/** After a hold should have ended, how long to wait for the gate to say so, in milliseconds. */
const END_GRACE_MS = 1500;
/** Answers after which the same order may still have succeeded: it is asked for again, not anew. */
const UNKNOWN = new Set(["NO_ANSWER", "DISCONNECTED"]);
/** Answers after which there is no hold any more. */
const ENDED = new Set(["HOLD_EXPIRED", "HOLD_RELEASED", "SEAT_LOST"]);

export class Holding {
    /** "pick", "asking" (for a hold), "held", "paying" (the form), "confirming" or "booked" */
    phase = "pick";
    /** @type {any} as on the wire */
    reservation = null;
    /** When the hold ends, by `performance.now()`. */
    endsAt = 0;
    /**
     * What the visitor has to know and can act on: `groups` of seats nearby, or `again` after a sign-in.
     * @type {{kind: string, text: string, groups?: any[], again?: () => void} | null}
     */
    alert = null;
    /** The booking that was just made. */
    booking = null;
    busy = false;
    #sale;
    #timer = null;
    #retry = null;
    #backoff = new Backoff();
    /** Whose order and hold these are. They outlive a token that is refused. @type {string | undefined} */
    #customer;
    /** Of this tab's hold, whatever other tabs hold. @type {import("./memory.js").Hold | null} */
    #proof = null;

    /** @param {import("./sale.js").Sale} sale */
    constructor(sale) {
        this.#sale = sale;
        this.#customer = sale.identity?.customerId;
        sale.connection.on("reservation", (reservation) => this.#heard(reservation));
        sale.connection.on("unauthenticated", () => this.#strange());
    }

    get #memory() {
        return this.#customer === undefined ? null : new Memory(this.#sale.event.event_id, this.#customer);
    }

    /** Seats of the hold. @returns {number[]} */
    get seats() {
        return this.active ? this.reservation.seat_ids : [];
    }

    get active() {
        return this.reservation !== null && ALIVE.has(this.reservation.state);
    }

    /** Made on this device. @returns {any[]} */
    get bookings() {
        return this.#memory?.bookings ?? [];
    }

    get seatsOwned() {
        return this.seats.length + this.bookings.reduce((sum, { seat_ids: seats }) => sum + seats.length, 0);
    }

    get remainingMs() {
        return Math.max(0, this.endsAt - performance.now());
    }

    /** How long a hold lasts, or this one if that is longer. */
    get wholeMs() {
        return Math.max(this.#ttlMs, this.reservation?.expires_in_ms ?? 0, 1);
    }

    get #ttlMs() {
        return this.#sale.event.sales_settings.hold_ttl_ms;
    }

    get extendable() {
        const { extend_limit_at_ms: limit, expires_at_ms: end } = this.reservation;
        return end < limit - 500;
    }

    /** Somebody buys now: what another one before holds stays theirs. @param {string} customerId */
    enter(customerId) {
        if (customerId === this.#customer) return;
        clearTimeout(this.#timer);
        clearTimeout(this.#retry);
        this.#customer = customerId;
        this.#proof = null;
        Object.assign(this, { reservation: null, booking: null, alert: null, busy: false });
        this.#enter("pick");
    }

    /** After a reload or a sign-in: the order, hold and bookings of before. */
    async restore() {
        const memory = this.#memory;
        const mine = this.#same();
        if (!memory) return;
        clearTimeout(this.#retry);
        if (memory.bookings.length) this.#tell();
        try {
            const found = await recall(this.#sale.connection, memory, this.#proof?.reservationId ?? memory.tab);
            const other = this.active && this.#proof.reservationId !== found?.hold.reservationId;
            if (found && mine() && !other) {
                this.#proof ??= found.hold;
                this.#heard(found.reservation, true);
            }
            if (mine() && this.phase === "pick" && this.#fresh(memory.order)) await this.#order(memory.order);
            if (await withoutCancelled(this.#sale.connection, memory)) this.#tell();
        } catch (error) {
            if (!mine() || error.reason === "CLOSED") return;
            if (error.code === "UNAUTHENTICATED") this.#strange();
            else this.#later(() => this.restore());
        }
    }

    /** Asks for the seats that are chosen, all or none. */
    async hold(seats = [...this.#sale.selection]) {
        if (this.phase !== "pick" || seats.length === 0) return;
        this.alert = null;
        this.booking = null;
        const last = this.#memory.order;
        // An order without an answer is the same order when it is asked for again.
        const same =
            this.#fresh(last) && last.seats.length === seats.length && last.seats.every((one) => seats.includes(one));
        await this.#order(same ? last : { requestId: freshId(), seats, askedAtMs: Date.now() });
    }

    /** After the hold time an order is forgotten: asked for again, it would be a hold that nobody wants any more. */
    #fresh(order) {
        return order !== null && Math.abs(Date.now() - order.askedAtMs) < this.#ttlMs;
    }

    async #order(order) {
        const memory = this.#memory;
        const mine = this.#same();
        const { requestId, seats } = order;
        memory.order = order;
        this.#enter("asking");
        try {
            const { reservation, reservation_token: token } = await this.#sale.connection.reserve({ requestId, seats });
            memory.order = null;
            const hold = {
                reservationId: reservation.reservation_id,
                reservationToken: token,
                paymentReference: `demo-${freshId()}`,
                heldAtMs: Date.now(),
            };
            memory.keep(hold);
            if (mine()) this.#took(hold, reservation);
        } catch (error) {
            if (mine()) this.#orderFailed(error, order, memory);
        }
    }

    #took(hold, reservation) {
        this.#backoff.reset();
        this.#proof = hold;
        this.alert = null;
        if (ALIVE.has(reservation.state)) {
            this.#sale.choose([]);
            this.#memory.tab = hold.reservationId;
        }
        this.#heard(reservation, true);
        if (this.active) this.#sale.say(`Your seats are held for ${duration(this.remainingMs)}.`, "alert");
    }

    #orderFailed(error, order, memory) {
        if (UNKNOWN.has(error.reason) && this.#fresh(order)) {
            // Its seats may be ours: until that is known nobody else took them.
            this.#alarm(SAYS.ASKING_AGAIN);
            return this.#later(() => this.#order(order));
        }
        // Signed in again, the same order is asked for.
        const again = error.code === "UNAUTHENTICATED" || error.reason === "CLOSED";
        if (!again) memory.order = null;
        this.#enter("pick");
        if (error.reason === "SEAT_UNAVAILABLE") this.#taken(error, order.seats);
        else this.#failed(error, () => this.hold(order.seats));
    }

    #taken(error, seats) {
        const { board, house, selection } = this.#sale;
        const named = error.seats.map(({ seat_id: seat }) => seat);
        const taken = named.length ? named : seats.filter((seat) => board.get(seat) !== 0);
        this.#sale.choose([...selection].filter((seat) => !taken.includes(seat)));
        const verb = taken.length === 1 ? "was" : "were";
        const what = taken.length ? house.names(taken) : "A seat";
        const rest = seats.length > taken.length ? " Nothing is held yet." : "";
        this.lose(taken, seats, `Somebody was faster: ${what} ${verb} taken a moment ago.${rest}`);
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
        const done = await this.#act("extend", () => this.extend());
        if (done) this.#sale.say(`Your seats are held for ${duration(this.remainingMs)} from now.`, "alert");
    }

    async release() {
        const done = await this.#act("release", () => this.release());
        if (done) this.#sale.say("Your seats are released. No hard feelings.", "plain");
    }

    /** Pays with what stands in for a payment provider: its reference is all that the engine hears of a payment. */
    async pay() {
        const hold = this.#proof;
        const memory = this.#memory;
        if (!this.active || !hold) return;
        this.alert = null;
        this.#enter("confirming");
        try {
            const { connection } = this.#sale;
            const { reservationId, paymentReference, reservationToken } = hold;
            const { booking } = await connection.confirm(reservationId, paymentReference, reservationToken);
            this.#booked(booking, memory, hold);
        } catch (error) {
            if (!this.active || this.#proof?.reservationId !== hold.reservationId) return;
            this.#enter("held");
            this.#failed(error, () => this.pay());
            if (ENDED.has(error.reason)) this.#over();
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
        // Not wanted any more.
        if (this.alert?.again && this.phase === "pick") this.#memory.order = null;
        this.alert = null;
        this.#tell();
    }

    async #act(op, again) {
        const hold = this.#proof;
        const memory = this.#memory;
        if (this.busy || !hold) return false;
        const mine = this.#same();
        this.busy = true;
        this.alert = null;
        this.#tell();
        try {
            const { reservation, reservation_token: token } = await this.#sale.connection[op](
                hold.reservationId,
                hold.reservationToken,
            );
            if (!mine()) return false;
            this.busy = false;
            // A longer hold has a new proof.
            if (token && this.#proof?.reservationId === hold.reservationId) {
                this.#proof = { ...hold, reservationToken: token };
                memory.keep(this.#proof);
            }
            this.#heard(reservation, true);
            return true;
        } catch (error) {
            if (!mine()) return false;
            this.busy = false;
            this.#failed(error, again);
            if (ENDED.has(error.reason) && this.#proof?.reservationId === hold.reservationId) this.#over();
            return false;
        }
    }

    /** What became of the hold, from a reply or because the gateway says so. */
    #heard(reservation, asked = false) {
        const { reservation_id: id, customer_id: customer, state } = reservation;
        if (customer !== this.#customer || id !== this.#proof?.reservationId) return;
        if (ALIVE.has(state)) {
            this.reservation = reservation;
            this.endsAt = performance.now() + reservation.expires_in_ms;
            const paying = this.phase === "paying" || this.phase === "confirming";
            this.#enter(paying ? this.phase : "held");
            this.#watch();
        } else if (state === "booked") this.#booked(asBooking(reservation, this.#proof), this.#memory, this.#proof);
        else if (this.active || asked) {
            const reasons = { expired: "HOLD_EXPIRED", lost: "SEAT_LOST" };
            if (reasons[state]) this.#alarm(SAYS[reasons[state]]);
            this.#over();
        }
    }

    #booked(booking, memory, hold) {
        const others = memory.bookings.filter(({ booking_id: id }) => id !== booking.booking_id);
        memory.bookings = [booking, ...others];
        memory.drop(hold.reservationId);
        if (this.#proof?.reservationId !== hold.reservationId) return this.#tell();
        this.booking = booking;
        this.alert = null;
        this.#over("booked");
        this.#sale.say(`Booked. Your number is ${booking.booking_id}.`, "alert");
    }

    /** Of this tab's hold only: another tab has its own. */
    #over(phase = "pick") {
        clearTimeout(this.#timer);
        if (this.#proof) this.#memory.drop(this.#proof.reservationId);
        this.#proof = null;
        this.reservation = null;
        this.#enter(phase);
    }

    /** The gate decides when a hold ends. Should it not say so, we ask. */
    #watch() {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => {
            const hold = this.#proof;
            if (!this.active || !hold) return;
            this.#sale.connection.follow(hold.reservationId, hold.reservationToken).then(
                ({ reservation }) => this.#heard(reservation, true),
                ({ code }) => code === "NOT_FOUND" && this.#proof === hold && this.#over(),
            );
        }, this.remainingMs + END_GRACE_MS);
    }

    /** @returns {() => boolean} whether it is still the same customer who buys */
    #same() {
        const customer = this.#customer;
        return () => this.#customer === customer;
    }

    #later(act) {
        clearTimeout(this.#retry);
        this.#retry = setTimeout(act, this.#backoff.next());
    }

    /** The hold stays: it is there again after a sign-in. */
    #strange(again) {
        const mine = this.#same();
        this.#sale.signOut();
        const text = "Please sign in again: your sign-in is not valid any more.";
        this.#alarm(text, { kind: "sign-in", again: () => mine() && again?.() });
    }

    #failed(error, again) {
        if (error.code === "UNAUTHENTICATED") this.#strange(again);
        else this.#alarm(inWords(error));
    }

    #alarm(text, more = { kind: "warning" }) {
        this.alert = { ...more, text };
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
