// Elements without ceremony.

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} tag with classes: "button.primary.wide"
 * @param {Record<string, any>} [props] listeners by "onclick", `testid`, attributes; undefined, null, false: left out
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElement}
 */
export function h(tag, props = {}, ...children) {
    const [name, ...classes] = tag.split(".");
    const element = document.createElement(name);
    if (classes.length) element.className = classes.join(" ");
    for (const [key, value] of Object.entries(props)) {
        if (value === undefined || value === null || value === false) continue;
        if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
        else if (key === "testid") element.dataset.testid = value;
        else if (key in element && typeof value !== "string") element[key] = value;
        else element.setAttribute(key, value === true ? "" : value);
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
    return element;
}

/** One of the page's symbols. */
export function icon(name) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    const use = document.createElementNS(SVG, "use");
    use.setAttribute("href", `#i-${name}`);
    svg.append(use);
    return svg;
}

/**
 * Puts new content in, and the focus back on what had it, found by its test id. Where that is gone or disabled, on the
 * heading: else the next Tab would begin at the top of the page.
 * @param {HTMLElement} parent
 * @param {...(Node | string | null | undefined | false)} children
 */
export function fill(parent, ...children) {
    const focused = parent.contains(document.activeElement) ? document.activeElement : null;
    const id = focused?.dataset.testid;
    parent.replaceChildren(...children.flat().filter(Boolean));
    if (!focused) return;
    const again = id === undefined ? null : parent.querySelector(`[data-testid="${CSS.escape(id)}"]`);
    if (again && !again.disabled) return again.focus();
    focusHeading(parent);
}

/** Where the focus goes when what had it is gone. @param {HTMLElement} parent */
export function focusHeading(parent) {
    const heading = parent.querySelector("h2, h3");
    heading?.setAttribute("tabindex", "-1");
    heading?.focus();
}

/**
 * Runs `act` at most once a frame, however often it is asked for.
 * @param {() => void} act
 */
export function eachFrame(act) {
    let asked = false;
    return () => {
        if (asked) return;
        asked = true;
        requestAnimationFrame(() => {
            asked = false;
            act();
        });
    };
}
