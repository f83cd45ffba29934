// What refusals mean, in words for buyers.

/** By reason. */
export const SAYS = {
    HOLD_EXPIRED: "Your hold has ended, and the seats are on sale again.",
    HOLD_RELEASED: "These seats were released already.",
    SEAT_LOST: "A seat was sold to somebody else at the last moment. Nothing was booked, and you are not charged.",
    CUSTOMER_LIMIT: "That is more than one customer can have for this event.",
    EXTENSION_LIMIT: "This hold can not be extended any further.",
    CONFIRM_IN_PROGRESS: "The payment is being decided. One moment, please.",
    SALE_NOT_OPEN: "The sale is not open.",
    GATE_REBUILDING: "The box office is starting again. Please try once more in a moment.",
    OVERLOADED: "Many people are buying right now. Please try once more.",
    ASKING_AGAIN: "There is no answer yet. We keep asking for the same seats: nothing is held or paid twice.",
    NO_ANSWER: "There was no answer in time. Try once more: nothing is held or paid twice.",
};

/** @param {import("../client/commands.js").CommandError} error @returns {string} */
export function inWords(error) {
    const { limit, has } = error.metadata ?? {};
    const more = error.reason === "CUSTOMER_LIMIT" && limit ? ` The limit is ${limit}, and you have ${has}.` : "";
    return (SAYS[error.reason] ?? error.message ?? "That did not work.") + more;
}
