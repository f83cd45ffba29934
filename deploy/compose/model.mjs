// What those who look at compose.yaml have in common.

import { readFileSync } from "node:fs";
import { join } from "node:path";

// The commands in the header that switch a profile on: { profile, ...variables by name }.
export function commands(root) {
    const header = readFileSync(join(root, "deploy/compose.yaml"), "utf8").split("\nname: ")[0];
    const lines = header.replace(/ \\\n#\s+/g, " ").matchAll(/^#   (\S.*) docker compose .*--profile (\w+)/gm);
    return [...lines].map(([, variables, profile]) => ({
        profile,
        ...Object.fromEntries(variables.split(" ").map((each) => /^([^=]*)=(.*)$/.exec(each).slice(1))),
    }));
}
