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

const BLACK = "#101418";
const WHITE = "#ffffff";
/** What marks need at least to be seen (WCAG 2.2, 1.4.11). */
const CONTRAST_MIN = 3;

/** How well two colours can be told apart: 1 to 21, as WCAG counts it. */
export function contrast(a, b) {
    const [dark, light] = [luminance(a), luminance(b)].sort((one, other) => one - other);
    return (light + 0.05) / (dark + 0.05);
}

/** Black or white, whichever is read better on a colour. */
export function inkOn(colour) {
    return contrast(colour, BLACK) >= contrast(colour, WHITE) ? BLACK : WHITE;
}

const edges = new Map();

/**
 * The line round a seat, as far from its colour as the ground asks for.
 * @param {string} colour of the seat
 * @param {string} ground around it
 * @returns {string}
 */
export function edgeOn(colour, ground) {
    const key = `${colour} ${ground}`;
    if (!edges.has(key)) {
        const ink = inkOn(ground);
        let part = 0.1;
        while (part < 1 && contrast(mix(colour, ink, part), ground) < CONTRAST_MIN) part += 0.1;
        edges.set(key, mix(colour, ink, Math.min(1, part)));
    }
    return edges.get(key);
}

function luminance(colour) {
    const [red, green, blue] = channels(colour).map((value) => {
        const part = value / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
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
