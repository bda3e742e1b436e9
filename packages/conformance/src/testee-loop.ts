// A guest of this process as a testee that is a program: commands on stdin, answers on stdout (docs/conformance.md).

import { openSync } from "node:fs";
import { createInterface } from "node:readline";
import { SharedMemory } from "@ringway/linux";
import type { Command, Testee } from "./contract.ts";

/** Until stdin ends. */
export async function serveTestee(guest: Testee): Promise<void> {
  let memory: SharedMemory | undefined;
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line) as Command;
    const path = command.do === "attach" ? command.path : undefined;
    if (path !== undefined) {
      memory?.[Symbol.dispose]();
      memory = SharedMemory.fromFd(openSync(path, "r+"), { requireSeals: false });
    }
    const reply = await guest.ask(command, path === undefined ? undefined : memory);
    process.stdout.write(`${JSON.stringify(reply)}\n`);
  }
}
