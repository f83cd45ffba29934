// Names for wishes, so that a repeat is known as one.

/**
 * Without `crypto.randomUUID`, which a page has over https only.
 * @returns {string} 128 random bits in hexadecimal
 */
export function freshId() {
    return hex(16);
}

/** @returns {string} a new trace, as of W3C Trace Context; whether it is written down is for the gateway to say */
export function freshTrace() {
    return `00-${hex(16)}-${hex(8)}-00`;
}

function hex(length) {
    const bytes = crypto.getRandomValues(new Uint8Array(length));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
