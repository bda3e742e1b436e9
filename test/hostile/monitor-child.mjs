// A monitor in a process of its own for the hostile guests to work on. argv: attach socket, policy file, and perhaps an
// audit file. Answers
// "counters", "memory", "log" and "close" on stdin with one line of JSON each. Keeps counts of what it logged, not
// lines.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { chmodSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { Monitor } from "@ringway/monitor";

const { pino } = createRequire(new URL("../../packages/monitor/package.json", import.meta.url))("pino");
const [listen, policy, audit] = process.argv.slice(2);
const log = { bugs: [], violations: {}, refusals: {}, reasons: {}, lines: 0 };
const count = (into, key) => {
  if (into[key] === undefined && Object.keys(into).length > 500) return;
  into[key] = (into[key] ?? 0) + 1;
};
const logger = pino(
  { level: "info" },
  {
    write(text) {
      log.lines++;
      const line = JSON.parse(text);
      if (line.stack !== undefined && log.bugs.length < 20) log.bugs.push(line.stack);
      if (line.audit === "violation") count(log.violations, line.clause);
      if (line.audit === "refused") count(log.refusals, `${line.protocol} ${line.rule} ${line.errno}`);
      if (line.msg === "guest is gone") count(log.reasons, String(line.reason).replaceAll(/[0-9]+/g, "#"));
    },
  },
);
/** The name server is silent: what is not in the hosts file is waited for. */
const silent = createSocket("udp4").bind(0, "127.0.0.1");
await once(silent, "listening");
const names = { nameServers: [`127.0.0.1:${silent.address().port}`] };
const monitor = await Monitor.start({ policy, listen, logger, names, ...(audit && { audit }) });
// The guests are of different users.
chmodSync(dirname(listen), 0o711);
chmodSync(listen, 0o666);
monitor.on("error", (error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(3);
});
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
say("ready");
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "counters") say(monitor.counters());
  else if (line === "log") say(log);
  else if (line === "memory") {
    globalThis.gc?.();
    say({ reactor: await monitor.memoryUsage({ gc: true }), rss: process.memoryUsage.rss() });
  } else if (line === "close") {
    await monitor.close({ drainMs: 200 });
    say("closed");
    process.exit(0);
  }
}
