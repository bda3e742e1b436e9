// The TypeScript guest as a testee: a program that reads commands on stdin and answers on stdout (docs/conformance.md).

import { openSync } from "node:fs";
import { createInterface } from "node:readline";
import { SharedMemory } from "@ringway/linux";
import type { Command } from "./contract.ts";
import { TypeScriptGuest } from "./typescript-guest.ts";

const guest = new TypeScriptGuest();
let memory: SharedMemory | undefined;

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as Command;
  const path = command.do === "attach" ? command.path : undefined;
  if (path !== undefined) {
    memory?.[Symbol.dispose]();
    memory = SharedMemory.fromFd(openSync(path, "r+"), { requireSeals: false });
  }
  const reply = guest.answer(command, path === undefined ? undefined : memory);
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
