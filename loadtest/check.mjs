// Looks at what k6 and ghz wrote: fails, and says why, when something that should have happened did not.
//
//   node check.mjs k6 SUMMARY.json COUNTER...        each counter is above zero
//   node check.mjs ghz REPORT.json TOTAL CODE...     so many calls, and each of these codes and no other was answered

import { readFileSync } from "node:fs";

const [tool, file, ...rest] = process.argv.slice(2);
const report = JSON.parse(readFileSync(file, "utf8"));
const problems = [];

function k6(counters) {
    const count = (name) => report.metrics[name]?.count ?? 0;
    for (const name of counters) if (!(count(name) > 0)) problems.push(`${name} is ${count(name)}`);
    return counters.map((name) => `${name.replace(/^te_/, "")} ${count(name)}`);
}

function ghz([total, ...codes]) {
    const answers = report.statusCodeDistribution ?? {};
    const sum = Object.values(answers).reduce((sum, count) => sum + count, 0);
    if (report.count !== Number(total)) problems.push(`${report.count} calls were made, not ${total}`);
    if (sum !== Number(total)) problems.push(`${sum} calls were answered, not ${total}`);
    for (const code of codes) if (!answers[code]) problems.push(`no call was answered ${code}`);
    for (const code of Object.keys(answers)) if (!codes.includes(code)) problems.push(`calls were answered ${code}`);
    return Object.entries(answers).map(([code, count]) => `${code} ${count}`);
}

const found = tool === "k6" ? k6(rest) : ghz(rest);
console.log(`    ${found.join(", ")}`);
for (const problem of problems) console.error(`    WRONG: ${problem}`);
process.exitCode = problems.length > 0 ? 1 : 0;
