// On narrow screens the panel is a sheet at the bottom: the order peeks out, the rest comes when it is pulled.

import { h } from "./dom.js";

const NARROW = matchMedia("(max-width: 820px)");
const PULL_PX = 40;
/** The house is fitted above the sheet while that is no higher than this, in CSS pixels. */
const FITTED_PX_MAX = 190;

/**
 * @param {HTMLElement} panel
 * @param {HTMLElement} order the part that always shows
 * @param {(insets: import("../map/camera.js").Insets) => void} covered told what lies over the map
 */
export function sheet(panel, order, covered) {
    const handle = h(
        "button.handle",
        { type: "button", testid: "sheet", "aria-expanded": "false", "aria-label": "Prices and sections" },
        h("i", {}),
    );
    let open = false;
    const set = (value) => {
        open = value;
        panel.classList.toggle("open", open);
        handle.setAttribute("aria-expanded", String(open));
    };
    pull(handle, (up) => set(up ?? !open));
    let last = "";
    const measure = () => {
        // Seats that a tall order covers can be dragged from under it: the map need not jump.
        const height = order.offsetHeight + handle.offsetHeight;
        document.documentElement.style.setProperty("--sheet", `${NARROW.matches ? height : 0}px`);
        const bottom = NARROW.matches ? Math.min(height, FITTED_PX_MAX) : 0;
        const insets = NARROW.matches
            ? { left: 0, top: 92, right: 0, bottom }
            : { left: 0, top: 8, right: 0, bottom: 46 };
        const text = JSON.stringify(insets);
        if (text === last) return;
        last = text;
        covered(insets);
    };
    new ResizeObserver(measure).observe(order);
    NARROW.addEventListener("change", measure);
    panel.prepend(handle);
    return { close: () => set(false), measure };
}

/** Pulls and clicks of the handle: `act(true)` up, `act(false)` down, `act()` a click. */
function pull(handle, act) {
    let from = null;
    let pulled = false;
    handle.addEventListener("pointerdown", ({ clientY, pointerId }) => {
        from = clientY;
        pulled = false;
        handle.setPointerCapture(pointerId);
    });
    handle.addEventListener("pointermove", ({ clientY }) => {
        if (from === null || Math.abs(clientY - from) < PULL_PX) return;
        pulled = true;
        act(clientY < from);
        from = null;
    });
    handle.addEventListener("click", () => {
        if (!pulled) act();
        pulled = false;
        from = null;
    });
}
