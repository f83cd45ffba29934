// Somebody in front of the page.

import assert from "node:assert/strict";
import path from "node:path";
import { chromium } from "playwright-core";

import { mint } from "./system.mjs";

/** For whatever the page has to show; nothing waits longer. */
export const WAIT_MS = 20_000;
export const DESKTOP = { viewport: { width: 1280, height: 800 } };
export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
/** What a browser says by itself while a gateway is away. */
const NETWORK = /Failed to load resource|WebSocket connection to|net::ERR_/;

/** Ours to close. */
export function launch() {
    return chromium.launch({ executablePath: process.env.TE_TEST_CHROMIUM, timeout: WAIT_MS * 3 });
}

export class Visitor {
    /** @type {string[]} what went wrong in the page's code */
    errors = [];

    /**
     * @param {import("playwright-core").Browser} browser
     * @param {string} name the customer
     * @param {object} [device] DESKTOP or PHONE, and other options of a context
     */
    static async arrive(browser, name, device = DESKTOP) {
        const visitor = new Visitor();
        visitor.name = name;
        visitor.touches = device.hasTouch === true;
        visitor.token = await mint(name);
        visitor.context = await browser.newContext(device);
        visitor.context.setDefaultTimeout(WAIT_MS);
        visitor.page = await visitor.context.newPage();
        visitor.page.on("pageerror", (error) => visitor.errors.push(String(error)));
        visitor.page.on("console", (message) => {
            const text = message.text();
            if (message.type() === "error" && !NETWORK.test(text)) visitor.errors.push(text);
        });
        return visitor;
    }

    /** Opens the seat map and waits until it is live. */
    async open(gateway, event) {
        await this.page.goto(gateway.page(event, this.token));
        await this.live();
    }

    async live() {
        await this.until("the map is live", () => window.ticketengine?.connection.state === "live" && window.ticketengine.position);
    }

    /** Waits for a condition in the page. One that throws ends the wait: a page that has just been opened has no `ticketengine` yet. */
    async until(what, condition, argument) {
        try {
            await this.page.waitForFunction(condition, argument, { timeout: WAIT_MS });
        } catch (error) {
            throw new Error(`${this.name}: never ${what} (${error.message})`, { cause: error });
        }
    }

    async phase(phase) {
        await this.until(`in phase ${phase}`, (wanted) => window.ticketengine?.phase === wanted, phase);
    }

    /** Waits until a seat is free (0), held (1), sold (2) or blocked (3) on the map. */
    async sees(seat, state) {
        const is = ([which, wanted]) => window.ticketengine?.board.get(which) === wanted;
        await this.until(`seat ${seat} in state ${state}`, is, [seat, state]);
    }

    /** Clicks or taps a seat on the map. */
    async pick(seat) {
        const { page } = this;
        await page.evaluate((which) => window.ticketengine.showSeats([which]), seat);
        await this.until("the map at rest", (which) => !window.ticketengine.seatAt(which).flying, seat);
        const { x, y } = await page.evaluate((which) => window.ticketengine.seatAt(which), seat);
        if (this.touches) await page.touchscreen.tap(x, y);
        else await page.mouse.click(x, y);
        await this.until(`seat ${seat} chosen`, (which) => window.ticketengine.selection.includes(which), seat);
    }

    /** @param {string} id */
    by(id) {
        return this.page.getByTestId(id);
    }

    /** Holds what is chosen. */
    async hold() {
        await this.by("hold").click();
        await this.phase("held");
    }

    /** Pays for what is held. */
    async pay() {
        await this.by("pay").click();
        await this.by("confirm").click();
        await this.phase("booked");
        await this.by("ticket").first().waitFor();
    }

    /** Into .dev/test/shots. @param {string} name */
    async shot(name) {
        await this.page.screenshot({ path: path.join(process.env.TE_TEST_SHOTS, `${name}.png`), animations: "disabled" });
    }

    /** Nothing went wrong, and the visitor is gone. */
    async leave() {
        await this.context.close();
        assert.deepEqual(this.errors, [], `${this.name}'s page had errors`);
    }
}
