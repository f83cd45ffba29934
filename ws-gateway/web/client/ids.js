// Names for wishes, so that a repeat is known as one.

/**
 * Without `crypto.randomUUID`, which a page has over https only.
 * @returns {string} 128 random bits in hexadecimal
 */
export function freshId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
