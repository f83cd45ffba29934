// Colours of the map: those of the page's style, and Okabe and Ito's for price categories.

/**
 * Colour-blind people tell these apart (Okabe and Ito, 2008). From the dearest category on; a house with more begins
 * again, with a dot on each seat.
 */
export const CATEGORY_COLOURS = ["#d55e00", "#e69f00", "#f0e442", "#009e73", "#56b4e9", "#0072b2", "#cc79a7"];

const NAMES = [
    "map-ground",
    "map-section",
    "map-section-line",
    "map-stage",
    "map-stage-ink",
    "map-ink",
    "map-muted",
    "map-held",
    "map-sold",
    "map-halo",
];

/**
 * @param {Element} element whose style holds
 * @returns {Record<string, string>} by name in camel case, without "map": ground, section, sectionLine ...
 */
export function palette(element) {
    const style = getComputedStyle(element);
    const camel = (name) => name.slice(4).replace(/-(.)/g, (_, letter) => letter.toUpperCase());
    return Object.fromEntries(NAMES.map((name) => [camel(name), style.getPropertyValue(`--${name}`).trim()]));
}

/**
 * @param {{index: number}[]} categories by rank
 * @returns {Map<number, {colour: string, dotted: boolean}>} by the category's index
 */
export function categoryLooks(categories) {
    const look = ({ index }, rank) => [
        index,
        { colour: CATEGORY_COLOURS[rank % CATEGORY_COLOURS.length], dotted: rank >= CATEGORY_COLOURS.length },
    ];
    return new Map(categories.map(look));
}

/** Black or white, whichever is read better on a colour. */
export function inkOn(colour) {
    const [red, green, blue] = channels(colour);
    return red * 0.299 + green * 0.587 + blue * 0.114 > 140 ? "#101418" : "#ffffff";
}

/** @param {number} part of `b`, 0 to 1 */
export function mix(a, b, part) {
    const [from, to] = [channels(a), channels(b)];
    return `rgb(${from.map((value, index) => Math.round(value + (to[index] - value) * part)).join(" ")})`;
}

function channels(colour) {
    const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(colour);
    return hex
        ? hex.slice(1).map((pair) => Number.parseInt(pair, 16))
        : (colour.match(/\d+/g) ?? [0, 0, 0]).slice(0, 3).map(Number);
}
