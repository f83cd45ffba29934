// The dialog that asks who buys.

import { demo, guestName, take } from "../sale/identity.js";
import { h, icon } from "./dom.js";

/** @param {import("../sale/sale.js").Sale} sale */
export class SignIn {
    #sale;
    #dialog = h("dialog", { testid: "sign-in", "aria-labelledby": "sign-in-title" });
    #done = () => {};

    constructor(sale) {
        this.#sale = sale;
        document.body.append(this.#dialog);
        this.#dialog.addEventListener("close", () => this.#done(false));
    }

    /** @returns {Promise<boolean>} whether somebody is signed in now */
    ask() {
        this.#showDemo();
        this.#dialog.showModal();
        return new Promise((resolve) => {
            this.#done = resolve;
        });
    }

    async #finish(identity) {
        await this.#sale.signIn(identity);
        this.#done(true);
        this.#done = () => {};
        this.#dialog.close();
    }

    #showDemo() {
        const name = h("input", {
            testid: "guest-name",
            name: "name",
            value: guestName(),
            maxlength: "64",
            required: true,
            autocomplete: "off",
            spellcheck: "false",
            pattern: "[A-Za-z0-9_.\\-]{1,64}",
            title: "Letters, digits, dots, - and _",
        });
        const problem = h("p.problem", { role: "alert" });
        const submit = async (event) => {
            event.preventDefault();
            problem.textContent = "";
            try {
                await this.#finish(await demo(name.value.trim()));
            } catch (error) {
                if (error.status === 404) this.#showToken();
                else problem.textContent = error.message;
            }
        };
        this.#show(
            "Who is it for?",
            "This box office takes guests. Keep the name we made up for you, or take one you like.",
            h(
                "form",
                { onsubmit: submit },
                h("label", {}, "Your name", name),
                problem,
                h(
                    "button.primary",
                    { type: "submit", testid: "sign-in-guest" },
                    h("span", {}, "Go on as guest"),
                    icon("forward"),
                ),
            ),
            h(
                "button.link",
                { type: "button", testid: "use-token", onclick: () => this.#showToken() },
                "I have a token",
            ),
        );
    }

    #showToken() {
        const token = h("textarea", {
            testid: "token",
            rows: "4",
            required: true,
            spellcheck: "false",
            autocomplete: "off",
        });
        const problem = h("p.problem", { role: "alert" });
        const submit = async (event) => {
            event.preventDefault();
            const identity = take(token.value);
            if (!identity) {
                problem.textContent = "This is no token: it has three parts with dots between them.";
                return;
            }
            try {
                await this.#finish(identity);
            } catch (error) {
                problem.textContent = error.message;
            }
        };
        this.#show(
            "Sign in",
            "Paste the token that your shop gave you.",
            h(
                "form",
                { onsubmit: submit },
                h("label", {}, "Token", token),
                problem,
                h(
                    "button.primary",
                    { type: "submit", testid: "sign-in-token" },
                    h("span", {}, "Sign in"),
                    icon("forward"),
                ),
            ),
        );
    }

    #show(title, text, ...content) {
        const close = h(
            "button.round.small",
            { type: "button", "aria-label": "Close", onclick: () => this.#dialog.close() },
            icon("close"),
        );
        this.#dialog.replaceChildren(
            h("div.heading.row", {}, h("h2", { id: "sign-in-title" }, title), close),
            h("p", {}, text),
            ...content,
        );
        this.#dialog.querySelector("input, textarea").select?.();
    }
}

/**
 * Who is signed in, in the head.
 * @param {import("../sale/sale.js").Sale} sale
 * @param {SignIn} signIn
 */
export function visitor(sale, signIn) {
    const element = h("button.visitor", { type: "button", testid: "visitor" });
    const draw = () => {
        const name = sale.identity?.customerId;
        element.replaceChildren(icon("person"), h("span", {}, name ?? "Sign in"));
        element.title = name ? `Signed in as ${name}` : "Sign in";
    };
    element.addEventListener("click", () => signIn.ask());
    sale.on("update", draw);
    draw();
    return element;
}
