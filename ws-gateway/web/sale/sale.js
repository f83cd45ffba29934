// One visit to the sale of an event: what is chosen, held and booked, and what the visitor is told about it.

import { Emitter } from "../client/emitter.js";
import { SeatState, connect } from "../client/ticketengine.js";
import { Kind } from "../map/glyphs.js";
import { Holding } from "./holding.js";
import { demo, forget, keep } from "./identity.js";

/** The least and the most time between two tokens, in milliseconds; timers can not wait for longer than 24 days. */
const RENEW_MS_MIN = 5_000;
const RENEW_MS_MAX = 20 * 86_400_000;

/**
 * Tells: `update` (something of the panel) · `seats` {seats} (states changed) · `own` (own seats changed) ·
 * `notice` {text, kind} (a passing remark) · `connection` (its state).
 */
export class Sale extends Emitter {
    /** @type {Set<number>} in the order of choosing */
    selection = new Set();
    /** Price categories that are looked for; empty for all. @type {Set<number>} */
    wanted = new Set();
    /** Whether there was a board to look at. */
    ready = false;
    #renewal = null;
    #own = null;

    /**
     * @param {import("./house.js").House} house
     * @param {import("./memory.js").Identity | null} identity
     */
    constructor(house, identity) {
        super();
        this.house = house;
        this.event = house.event;
        this.identity = identity;
        this.connection = connect({
            eventId: this.event.event_id,
            ranges: house.sections.map(({ first, count }) => ({ first, count })),
            token: identity?.token,
        });
        this.board = this.connection.board;
        this.holding = new Holding(this);
        this.connection.on("snapshot", ({ seats }) => this.#changed(seats, true));
        this.connection.on("change", ({ seats }) => this.#changed(seats, false));
        this.connection.on("state", () => this.emit("connection"));
        this.#renew();
    }

    emit(type, detail) {
        if (type === "own") this.#own = null;
        super.emit(type, detail);
    }

    get limit() {
        return this.event.sales_settings.seats_per_customer;
    }

    /** How many more seats may be chosen. */
    get left() {
        return Math.max(0, this.limit - this.holding.seatsOwned - this.selection.size);
    }

    /** "open", "soon" or "closed", by the event and this device's clock: the gate decides in the end. */
    get saleState() {
        const { sales_state: state, sales_settings: settings } = this.event;
        const passed = (time) => time !== null && time !== undefined && Date.parse(time) <= Date.now();
        if (state === "closed" || passed(settings.sale_closes_at)) return "closed";
        return settings.sale_opens_at && !passed(settings.sale_opens_at) ? "soon" : "open";
    }

    /** @returns {number} of all seats, or of a section */
    free(section) {
        if (section !== undefined) return this.board.free(section);
        return this.house.sections.reduce((sum, { index }) => sum + this.board.free(index), 0);
    }

    isFree(seat) {
        return this.board.get(seat) === SeatState.FREE;
    }

    /** @returns {number} one of Kind, own seats too */
    kind(seat) {
        return this.own.get(seat) ?? this.board.get(seat);
    }

    /** Own seats by what they are, until the next `own`. @returns {Map<number, number>} */
    get own() {
        this.#own ??= this.#ownSeats();
        return this.#own;
    }

    #ownSeats() {
        const own = new Map();
        for (const { seat_ids: seats } of this.holding.bookings) for (const seat of seats) own.set(seat, Kind.BOOKED);
        for (const seat of this.selection) own.set(seat, Kind.SELECTED);
        for (const seat of this.holding.seats) own.set(seat, Kind.MINE);
        return own;
    }

    /** Takes a seat into the selection or out of it, or says why not. @returns {boolean} whether it did */
    toggle(seat) {
        const { selection } = this;
        const why = selection.has(seat) ? null : this.#refusal(seat);
        if (why) this.say(why, "quiet");
        else this.choose(selection.has(seat) ? [...selection].filter((other) => other !== seat) : [...selection, seat]);
        return why === null;
    }

    #refusal(seat) {
        const { holding, house } = this;
        const kind = this.kind(seat);
        const name = house.name(seat);
        if (kind === Kind.MINE) return `${name} is held for you.`;
        if (kind === Kind.BOOKED) return `${name} is yours.`;
        if (holding.active) return "Pay for your seats or release them before you choose others.";
        if (this.saleState === "closed") return "The sale is closed.";
        if (this.saleState === "soon") return "The sale is not open yet.";
        if (kind === Kind.HELD) return `Somebody is holding ${name}. It may come back.`;
        if (kind === Kind.SOLD) return `${name} is sold.`;
        if (kind === Kind.BLOCKED) return `${name} is not for sale.`;
        if (this.left === 0) return `You can have ${this.limit} seats at most.`;
        return null;
    }

    /** @param {Iterable<number>} seats instead of those chosen until now */
    choose(seats) {
        const before = this.selection;
        this.selection = new Set(seats);
        const touched = new Set([...before, ...this.selection]);
        this.emit("own", { seats: [...touched].filter((seat) => before.has(seat) !== this.selection.has(seat)) });
        this.emit("update");
    }

    /** Looks for one price category more or less. */
    toggleCategory(category) {
        if (!this.wanted.delete(category)) this.wanted.add(category);
        if (this.wanted.size === this.house.categories.length) this.wanted.clear();
        this.emit("filter");
        this.emit("update");
    }

    isWanted(seat) {
        return this.wanted.size === 0 || this.wanted.has(this.house.category[seat]);
    }

    /**
     * The identity is taken once the gateway takes its token.
     * @param {import("./memory.js").Identity} identity
     */
    async signIn(identity) {
        await this.connection.authenticate(identity.token);
        this.#identify(identity);
        this.holding.enter(identity.customerId);
        this.emit("own", { seats: [] });
        this.emit("update");
        await this.holding.restore();
    }

    signOut() {
        clearTimeout(this.#renewal);
        forget();
        this.identity = null;
        this.emit("update");
    }

    #identify(identity) {
        this.identity = identity;
        keep(identity);
        this.#renew();
    }

    /** A demo customer gets a new token before the old one ends; a shop's own is the shop's to renew. */
    #renew() {
        clearTimeout(this.#renewal);
        const { identity } = this;
        if (!identity?.demo) return;
        const wait = Math.max(RENEW_MS_MIN, identity.expiresAtMs - Date.now());
        this.#renewal = setTimeout(
            async () => {
                try {
                    const renewed = await demo(identity.customerId);
                    if (this.identity !== identity) return;
                    await this.connection.authenticate(renewed.token);
                    if (this.identity === identity) this.#identify(renewed);
                } catch {
                    // Without a new token the next command is refused, and the visitor is asked.
                    if (this.identity === identity) this.#renew();
                }
            },
            Math.min(wait, RENEW_MS_MAX),
        );
    }

    say(text, kind = "plain") {
        this.emit("notice", { text, kind });
    }

    #changed(seats, whole) {
        this.ready = true;
        const lost = [...this.selection].filter((seat) => !this.isFree(seat));
        // While an order is under way its seats are held, by ourselves most likely.
        if (lost.length && this.holding.phase === "pick") this.#drop(lost);
        this.emit("seats", { seats, whole });
        this.emit("counts");
    }

    #drop(lost) {
        this.choose([...this.selection].filter((seat) => !lost.includes(seat)));
        const verb = lost.length === 1 ? "was" : "were";
        this.holding.lose(
            lost,
            [...lost, ...this.selection],
            `${this.house.names(lost)} ${verb} just taken by somebody else.`,
        );
    }
}
