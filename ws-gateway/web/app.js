// Where the page begins: `/` lists the events, `/?event=ID` sells one.

import { h } from "./ui/dom.js";
import { eventPage } from "./ui/event_page.js";
import { eventsPage } from "./ui/events_page.js";

const root = document.getElementById("page");

async function start() {
    const eventId = new URLSearchParams(location.search).get("event");
    try {
        await (eventId ? eventPage(root, eventId) : eventsPage(root));
    } catch (error) {
        const gone = error.status === 404;
        root.replaceChildren(
            h(
                "main.failed",
                { testid: "failed" },
                h("h1", {}, gone ? "There is no such event" : "The box office does not answer"),
                h("p", {}, gone ? "It may be over, or its address has a slip of the pen." : error.message),
                gone
                    ? h("a.primary", { href: "/" }, "See what is on")
                    : h("button.primary", { type: "button", onclick: start }, "Try again"),
            ),
        );
        if (error.status === undefined) throw error;
    }
}

start();
