// Numbers and times for people.

const money = new Map();

/**
 * @param {number} minor such as cents
 * @param {string} currency ISO 4217
 */
export function price(minor, currency) {
    let formats = money.get(currency);
    if (!formats) {
        const options = { style: "currency", currency };
        const exact = new Intl.NumberFormat(undefined, options);
        // Round prices are read faster without their zeros.
        const round = new Intl.NumberFormat(undefined, {
            ...options,
            minimumFractionDigits: 0,
            maximumFractionDigits: 0,
        });
        formats = { exact, round, unit: 10 ** exact.resolvedOptions().maximumFractionDigits };
        money.set(currency, formats);
    }
    const format = minor % formats.unit === 0 ? formats.round : formats.exact;
    return format.format(minor / formats.unit);
}

const whole = new Intl.NumberFormat();

/** @param {number} value */
export const number = (value) => whole.format(value);

/** @param {number} count @param {string} one @param {string} [many] */
export const counted = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

/** "4:05", "2 h 14 min" or "3 days" @param {number} ms */
export function duration(ms) {
    const seconds = Math.max(0, Math.ceil(ms / 1000));
    if (seconds >= 172_800) return `${Math.floor(seconds / 86_400)} days`;
    if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** @param {string} rfc3339 */
export const moment = (rfc3339) =>
    new Date(rfc3339).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
