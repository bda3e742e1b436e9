// A monitor in a process of its own, for idle.ts and scraped.ts: tells its reactor's memory whenever it is asked. Ends
// with stdin.
//
//   node --expose-gc idle-child.js POLICY SOCKET [ADMIN-SOCKET]

import { createInterface } from "node:readline";
import { Monitor } from "@ringway/monitor";

const [policy, listen, admin] = process.argv.slice(2) as [string, string, string?];
await using monitor = await Monitor.start({ policy, listen, ...(admin && { admin: { socket: admin } }) });
console.log("ready");
for await (const _ of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await monitor.memoryUsage({ gc: true })));
}
