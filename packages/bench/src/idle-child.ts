// A monitor in a process of its own, for idle.ts and scraped.ts: tells its reactor's memory whenever it is asked. Ends
// with stdin. First it tells the ids of the threads that Node itself has: those that come later are the monitor's.
//
//   node --expose-gc idle-child.js POLICY SOCKET [ADMIN-SOCKET]

import { readdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { Monitor } from "@ringway/monitor";

const [policy, listen, admin] = process.argv.slice(2) as [string, string, string?];
const ofNode = readdirSync("/proc/self/task");
await using monitor = await Monitor.start({ policy, listen, ...(admin && { admin: { socket: admin } }) });
console.log(JSON.stringify(ofNode));
for await (const _ of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await monitor.memoryUsage({ gc: true })));
}
