// What stands for QEMU and a guest in it: takes the arguments that `ringway vm` adds, serves the doorbell, and attaches
// to the region as a guest does. argv: what to do, then QEMU's arguments.

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Guest } from "@ringway/guest";

const [what, ...args] = process.argv.slice(2);
const line = args.join(" ");
const memory = /mem-path=([^, ]+)/.exec(line)[1];
const doorbell = /path=([^, ]+),server=on/.exec(line)[1];
const folder = mkdtempSync(join(tmpdir(), "ringway-fake-"));
process.on("exit", () => rmSync(folder, { recursive: true }));
const say = (text) => process.stdout.write(`${text}\n`);
const stay = () => setInterval(() => {}, 60_000);

if (what === "quit") process.exit(3);
if (what === "panic") process.exit(0);
if (what === "deaf") {
  process.on("SIGTERM", () => say("heard SIGTERM"));
  say("ready");
  stay();
} else {
  process.on("SIGTERM", () => process.exit(0));
  const channel = join(folder, "channel");
  const host = createServer().listen(doorbell);
  const [ofHost] = await once(host, "connection");
  createServer((ofGuest) => {
    ofGuest.pipe(ofHost).pipe(ofGuest);
    ofGuest.on("error", () => {});
  }).listen(channel);
  const guest = await Guest.attach({ ivshmem: { memory, channel } });
  const { argv } = await guest.args();
  const refused = await guest.connect(9, "127.0.0.1").catch((error) => error);
  say(JSON.stringify({ argv, memory, code: refused.code, rule: refused.rule }));
  if (what === "exit-and-quit") {
    // Its last words and its end, as of a machine that is switched off right after.
    void guest.exit(7);
    process.exit(0);
  }
  if (what === "exit-and-stay") await guest.exit(8);
  stay();
}
