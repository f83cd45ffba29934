// Settings of the scripts, from the environment; see ../README.md.

import { fail } from "k6";

/** A setting that has to be there. */
export function setting(name) {
    return __ENV[name] || fail(`${name} is not set; see loadtest/README.md`);
}

/** A whole number. */
export function number(name, otherwise) {
    const value = Number(__ENV[name] || otherwise);
    return Number.isInteger(value) && value >= 0 ? value : fail(`${name} is not a whole number: ${__ENV[name]}`);
}
