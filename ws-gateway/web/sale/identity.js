// Who buys: a token from the address, from an earlier visit, or from the gateway's demo sign-in.

import { claimsOf, demoToken } from "../api.js";
import { identity } from "./memory.js";

/** Tokens that do not say when they end are asked for again after this time, in milliseconds. */
const TOKEN_MS_DEFAULT = 12 * 3600 * 1000;
/** Before its end a token is not used any more. */
const TOKEN_MARGIN_MS = 60_000;

const FIRST = ["Quiet", "Bright", "Curious", "Gentle", "Lucky", "Merry", "Nimble", "Sunny", "Clever", "Happy"];
const SECOND = ["Otter", "Robin", "Fox", "Heron", "Badger", "Wren", "Hare", "Finch", "Lynx", "Owl"];

const pick = (list) => list[Math.floor(Math.random() * list.length)];

/** A name for somebody who does not care for one. */
export function guestName() {
    return `${pick(FIRST)}-${pick(SECOND)}-${Math.floor(Math.random() * 900 + 100)}`.toLowerCase();
}

/** @returns {import("./memory.js").Identity | null} who is known without asking */
export function known() {
    const token = new URLSearchParams(location.hash.slice(1)).get("token");
    if (!token) return identity.get();
    // The address is shown, kept in the history and sent to friends: a token has no place in it.
    history.replaceState(null, "", location.pathname + location.search);
    const found = take(token);
    if (found) keep(found);
    return found;
}

/**
 * @param {string} token
 * @param {object} [more]
 * @param {number} [more.lifetimeMs] where that is known; else the token's own end counts
 * @param {boolean} [more.demo] a new one can be had
 * @returns {import("./memory.js").Identity | null} null where it is no token
 */
export function take(token, { lifetimeMs, demo = false } = {}) {
    const claims = claimsOf(token);
    if (claims === null) return null;
    const ownEnd = claims.expiresAtMs ?? Date.now() + TOKEN_MS_DEFAULT;
    const endMs = lifetimeMs === undefined ? ownEnd : Date.now() + lifetimeMs;
    return { token: token.trim(), customerId: claims.customerId, expiresAtMs: endMs - TOKEN_MARGIN_MS, demo };
}

/** For later visits. @param {import("./memory.js").Identity} found */
export function keep(found) {
    identity.set(found);
}

/** A token where the gateway has demo customers. @param {string} name */
export async function demo(name) {
    const { token, expires_in_s: seconds } = await demoToken(name);
    return take(token, { lifetimeMs: seconds * 1000, demo: true });
}

/** The token is refused, or somebody else wants to buy. */
export function forget() {
    identity.set(null);
}
