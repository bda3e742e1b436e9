// What a decision of the policy costs, by how many rules it has: a name that none of them denies, and an address of its
// own. Prints the line of the load generators.
//
//   node policy-child.js --rules N --milliseconds N decide

import { parseArgs } from "node:util";
import { type ConnectRule, PolicyMatcher, parsePolicy } from "@ringway/monitor";

const BATCH = 1000;
/** First, so that what is timed is compiled code. */
const WARM_UP = 20_000;
const { values } = parseArgs({
  allowPositionals: true,
  options: { rules: { type: "string" }, milliseconds: { type: "string" } },
});
const ports = [{ first: 1, last: 65535 }];
const rule = (i: number, rest: Partial<ConnectRule>): ConnectRule => ({
  ...{
    id: `connect[${i}]`,
    action: "deny",
    protocols: ["tcp"],
    names: [],
    networks: [],
    ports,
    resolvesTo: [],
  },
  ...rest,
});
const denied = Array.from({ length: Number(values.rules) }, (_, i) =>
  rule(i, i % 2 === 0 ? { names: [`d${i}.example.net`] } : { networks: [`10.${i >> 8}.${i & 255}.0/24`] }),
);
const connect = [...denied, rule(denied.length, { action: "allow", names: ["*"] })];
// The rules as they are, without the file: what is measured is not the reading of it.
const matcher = new PolicyMatcher({ ...parsePolicy("version: 1", { file: "policy.yaml" }), connect });

function decide(): void {
  const { allowed, ruleIndex } = matcher.connectName("www.example.com", 443);
  if (!allowed || !matcher.connectResolved("www.example.com", ruleIndex, "93.184.216.34", 443).allowed) {
    throw new Error("the policy refused");
  }
}

for (let i = 0; i < WARM_UP; i++) decide();
const start = performance.now();
const endMs = start + Number(values.milliseconds);
let count = 0;
do {
  for (let i = 0; i < BATCH; i++) decide();
  count += BATCH;
} while (performance.now() < endMs);
console.log(JSON.stringify({ count, seconds: (performance.now() - start) / 1000 }));
