// As much of a page as the elements of the panel need.

class FakeElement {
    children = [];
    dataset = {};
    style = {};
    attributes = new Map();
    className = "";
    classList = { toggle: () => {} };
    parent = null;
    text = "";

    constructor(tag) {
        this.tag = tag;
        if (tag === "button") this.disabled = false;
    }

    set textContent(text) {
        this.text = text;
        this.children = [];
    }

    get textContent() {
        return this.text + this.children.map((child) => child.textContent ?? child).join("");
    }

    setAttribute(name, value) {
        this.attributes.set(name, value);
    }

    addEventListener() {}

    append(...children) {
        for (const child of children) if (child instanceof FakeElement) child.parent = this;
        this.children.push(...children);
    }

    /** What has the focus and is taken out loses it. */
    replaceChildren(...children) {
        if (this.contains(document.activeElement)) document.activeElement = document.body;
        this.children = [];
        this.append(...children);
    }

    contains(element) {
        for (let one = element; one; one = one.parent) if (one === this) return true;
        return false;
    }

    focus() {
        if (!this.disabled) document.activeElement = this;
    }

    /** Tags, classes and test ids, one after another. */
    querySelector(selectors) {
        const all = (element) => element.children.flatMap((child) => (child.children ? [child, ...all(child)] : []));
        const fits = (element, selector) => {
            const id = /^\[data-testid="(.*)"\]$/.exec(selector);
            if (id) return element.dataset.testid === id[1];
            if (selector.startsWith(".")) return element.className.split(" ").includes(selector.slice(1));
            return element.tag === selector;
        };
        for (const selector of selectors.split(", ")) {
            let found = this;
            for (const part of selector.split(" ")) found = found && all(found).find((one) => fits(one, part));
            if (found) return found;
        }
        return null;
    }
}

/** In the place of a browser's. */
export function installPage() {
    const body = new FakeElement("body");
    const make = (tag) => new FakeElement(tag);
    globalThis.document = { body, activeElement: body, createElement: make, createElementNS: (_, tag) => make(tag) };
    globalThis.CSS = { escape: (text) => text };
}
