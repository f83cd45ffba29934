// A client of TicketEngine's gateway: watches the seats of an event and reserves them, over a connection that heals.
//
//     const seats = connect({ origin: "https://tickets.example", eventId: "theatre" });
//     seats.on("change", ({ seats: changed }) => changed.forEach((seat) => draw(seat, seats.board.get(seat))));
//     await seats.authenticate(token);
//     const { reservation } = await seats.reserve({ seats: [12, 13] });

import { Backoff } from "./backoff.js";
import { Board } from "./board.js";
import { Commands } from "./commands.js";
import { Emitter } from "./emitter.js";
import { freshId } from "./ids.js";
import { Link } from "./link.js";

export { Board, SeatState } from "./board.js";
export { CommandError } from "./commands.js";

/** Codes from here on mean: do not come back. Those from 4000 are ours and do come back. */
const CLOSE_FOR_GOOD = 4500;
const CLOSE_FOR_GOOD_MAX = 4999;
/** A browser does not tell why a connection was refused: after so many refusals in a row we ask over HTTP. */
const REFUSALS_BEFORE_ASKING = 2;
/** Reservations that are followed again after a reconnect: the gateway keeps no more. */
const OWN_MAX = 8;
/** What is wrong with a token itself. */
const REFUSED = new Set(["UNAUTHENTICATED", "INVALID_ARGUMENT"]);
const ENDED = new Set(["booked", "released", "expired", "cancelled", "lost"]);

/**
 * @typedef {object} Options
 * @property {string} eventId
 * @property {string} [origin] of the gateway, such as https://tickets.example; default: the page's
 * @property {string} [url] the whole ws: or wss: address of the event's seats instead
 * @property {{name: string, first: number, count: number}[]} [sections] watch only these, in any order
 * @property {import("./board.js").Range[]} [ranges] count free seats in these, ascending and apart: `board.free(index)`
 * @property {"bin" | "json"} [encoding] default bin
 * @property {string} [token] of a customer, for commands
 * @property {typeof globalThis.WebSocket} [WebSocket] where the runtime has none
 * @property {() => number} [random] for tests
 */

/**
 * Connects, and comes back after each interruption until `close`.
 * @param {Options} options
 * @returns {Connection}
 */
export function connect(options) {
    return new Connection(options);
}

/**
 * Tells: `state` {state, attempt?, retryInMs?, asOfMs?, reason?} (connecting, live, stale, reconnecting, closed) ·
 * `snapshot` {seats} (all may be new; those known to differ from before) · `change` {seats} ·
 * `reservation` (one of the own changed) · `unauthenticated` {error} (the token is refused).
 */
export class Connection {
    #options;
    #events = new Emitter();
    #backoff;
    #commands;
    #link = null;
    #timer = null;
    #goodbye = null;
    #refusals = 0;
    #token;
    /** Tokens of own reservations by id: what has to be followed again after a reconnect. */
    #own = new Map();
    #state = { state: "connecting" };
    /** Whether the board is what the gateway has, as of its position: else only a snapshot helps. */
    #whole = false;
    /** Whether this link takes commands, and whether it has shown a fresh board: both make it a success. */
    #greeted = false;
    #fresh = false;

    /** @param {Options} options */
    constructor(options) {
        this.#options = options;
        this.#token = options.token;
        this.#backoff = new Backoff(options.random);
        this.#commands = new Commands((text) => this.#link?.send(text), options.random);
        this.board = new Board({ watched: options.sections, ranges: options.ranges });
        this.#open();
    }

    /** The last `state` told. */
    get state() {
        return this.#state;
    }

    /** @returns {() => void} takes the listener off again */
    on(type, listener) {
        return this.#events.on(type, listener);
    }

    /** Identifies the customer; again with a new token. @returns {Promise<{customer_id: string}>} */
    async authenticate(token) {
        const reply = await this.#commands.call("authenticate", { token });
        // Not before: after a refusal the gateway keeps the customer of before, and so do we.
        this.#token = token;
        return reply;
    }

    /**
     * All of the seats or none. Called again with the same `requestId` and seats it finds the same reservation.
     * @param {{seats: number[], requestId?: string}} order
     * @returns {Promise<{reservation: any, reservation_token: string}>}
     */
    reserve({ seats, requestId = freshId() }) {
        return this.#mine(this.#commands.call("reserve", { request_id: requestId, seat_ids: seats }));
    }

    /** @returns {Promise<{reservation: any, reservation_token: string}>} */
    extend(reservationId, reservationToken) {
        return this.#mine(this.#about("extend", reservationId, reservationToken));
    }

    /** @returns {Promise<{reservation: any}>} */
    release(reservationId, reservationToken) {
        return this.#mine(this.#about("release", reservationId, reservationToken));
    }

    /** @returns {Promise<{booking: any}>} */
    async confirm(reservationId, paymentReference, reservationToken) {
        const payment = { payment_reference: paymentReference };
        const reply = await this.#about("confirm", reservationId, reservationToken, payment);
        this.#own.delete(reservationId);
        return reply;
    }

    /** Makes a reservation of the customer one of this connection's own. @returns {Promise<{reservation: any}>} */
    follow(reservationId, reservationToken) {
        return this.#mine(this.#about("follow", reservationId, reservationToken), reservationToken);
    }

    /** Does not wait any longer: the network is back, or somebody looks again. */
    wake() {
        if (this.#timer !== null) this.#open();
    }

    /** For good. */
    close(reason = "closed") {
        this.#end(reason);
    }

    #about(op, reservationId, reservationToken, more) {
        const token = reservationToken ?? this.#own.get(reservationId);
        return this.#commands.call(op, { reservation_id: reservationId, reservation_token: token, ...more });
    }

    async #mine(call, known) {
        const reply = await call;
        const { reservation, reservation_token: token = known } = reply;
        this.#remember(reservation, token ?? this.#own.get(reservation.reservation_id));
        return reply;
    }

    #remember({ reservation_id: id, state }, token) {
        this.#own.delete(id);
        if (ENDED.has(state)) return;
        this.#own.set(id, token);
        if (this.#own.size > OWN_MAX) this.#own.delete(this.#own.keys().next().value);
    }

    #open() {
        clearTimeout(this.#timer);
        this.#timer = null;
        this.#goodbye = null;
        this.#greeted = this.#fresh = false;
        if (this.#backoff.attempt === 0) this.#tell({ state: "connecting" });
        const { WebSocket = globalThis.WebSocket, encoding = "bin" } = this.#options;
        this.#link = new Link(this.#url(), `ticketengine.v1.${encoding}`, WebSocket, {
            frame: (frame) => this.#frame(frame),
            end: (end) => this.#broken(end),
        });
    }

    #url() {
        const { url, origin = globalThis.location?.origin, eventId, sections = [] } = this.#options;
        const address = new URL(url ?? `${origin}/v1/events/${encodeURIComponent(eventId)}/seats`);
        address.protocol = address.protocol.replace("http", "ws");
        const at = this.board.position;
        if (at && this.#whole) {
            address.searchParams.set("epoch", String(at.epoch));
            address.searchParams.set("version", String(at.version));
        }
        for (const { name } of sections) address.searchParams.append("section", name);
        return address.href;
    }

    #frame(frame) {
        switch (frame?.type) {
            case "hello":
                this.#hello(frame);
                break;
            case "reply":
                this.#commands.reply(frame);
                break;
            case "reservation":
                this.#remember(frame.reservation, this.#own.get(frame.reservation.reservation_id));
                this.#events.emit("reservation", frame.reservation);
                break;
            case "goodbye":
                this.#goodbye = frame;
                break;
            default:
                this.#shared(frame);
        }
    }

    async #hello({ heartbeat_ms: heartbeatMs }) {
        const link = this.#link;
        link.expect(heartbeatMs);
        this.#refusals = 0;
        try {
            if (this.#token) await this.#commands.call("authenticate", { token: this.#token }, { first: true });
        } catch (error) {
            if (link !== this.#link) return;
            // Whoever could not say so has not refused the token: another try may do better.
            if (!REFUSED.has(error.code)) return link.close("not authenticated");
            this.#token = undefined;
            this.#events.emit("unauthenticated", { error });
        }
        if (link !== this.#link) return;
        this.#commands.ready();
        this.#greeted = true;
        if (this.#fresh) this.#backoff.reset();
        if (this.#token) this.#followOwn();
    }

    /** What became of the own reservations while the connection was away. */
    #followOwn() {
        for (const [id, token] of this.#own) {
            const found = ({ reservation }) => this.#events.emit("reservation", reservation);
            // Who asks for it later hears why.
            this.follow(id, token).then(found, () => {});
        }
    }

    #shared(frame) {
        switch (frame?.type) {
            case "snapshot": {
                const seats = this.board.replace(frame);
                this.#whole = true;
                this.#events.emit("snapshot", { seats });
                this.#live();
                break;
            }
            case "changes": {
                const seats = this.#whole ? this.board.apply(frame) : null;
                if (!seats) return this.#resync("gap");
                if (seats.length) this.#events.emit("change", { seats });
                this.#live();
                break;
            }
            case "heartbeat":
                this.#heartbeat(frame);
                break;
        }
    }

    #heartbeat(frame) {
        // A gateway that has no board yet says so and nothing else.
        if (this.#whole && !frame.stale && !this.board.verify(frame)) return this.#resync("checksum");
        if (frame.stale) this.#tell({ state: "stale", asOfMs: frame.asOfMs });
        else if (this.#whole) {
            this.#fresh = true;
            if (this.#greeted) this.#backoff.reset();
            this.#live(true);
        }
    }

    #live(fresh = false) {
        const { state } = this.#state;
        // Only a heartbeat ends staleness: changes may be what was under way before.
        if (state !== "live" && (state !== "stale" || fresh)) this.#tell({ state: "live" });
    }

    /** Something is missing: begins anew, with a snapshot. */
    #resync(reason) {
        this.#whole = false;
        this.#link.close(reason);
    }

    async #broken({ code, reason, opened }) {
        this.#link = null;
        this.#commands.broken();
        const goodbye = this.#goodbye;
        const last = goodbye?.code ?? code;
        if (last >= CLOSE_FOR_GOOD && last <= CLOSE_FOR_GOOD_MAX) return this.#end(goodbye?.reason ?? reason);
        if (this.#state.state === "closed") return;
        this.#refusals = opened ? 0 : this.#refusals + 1;
        const retryInMs = this.#backoff.next(goodbye?.retry_after_ms);
        this.#tell({
            state: "reconnecting",
            attempt: this.#backoff.attempt,
            retryInMs,
            reason: goodbye?.reason ?? reason,
        });
        // A listener may have closed it.
        if (this.#state.state === "closed") return;
        this.#timer = setTimeout(() => this.#open(), retryInMs);
        if (this.#refusals >= REFUSALS_BEFORE_ASKING && (await this.#eventGone())) this.#end("EVENT_NOT_FOUND");
    }

    async #eventGone() {
        const { url, origin = globalThis.location?.origin, eventId } = this.#options;
        if (url) return false;
        try {
            const answer = await fetch(`${origin}/v1/events/${encodeURIComponent(eventId)}`);
            return answer.status === 404 || answer.status === 410;
        } catch {
            return false;
        }
    }

    #end(reason) {
        if (this.#state.state === "closed") return;
        clearTimeout(this.#timer);
        this.#timer = null;
        this.#tell({ state: "closed", reason });
        this.#link?.close(reason);
        this.#commands.fail("UNAVAILABLE", "CLOSED", "the connection is closed");
    }

    #tell(state) {
        // Closed is for good, also when a listener of the frame at hand did it.
        if (this.#state.state === "closed") return;
        this.#state = state;
        this.#events.emit("state", state);
    }
}
