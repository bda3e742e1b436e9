// Transfers that are under way, both ways, when something happens to them.

import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { Program } from "../support/processes.ts";
import { until } from "../support/wait.ts";
import { type Guest, PROXY } from "./guest.ts";
import type { Job } from "./machine/jobs.ts";

const UNDER_WAY_BYTES = 1024 * 1024;

export interface Transfers extends Disposable {
  /** A curl in the guest that fetches from the host's web server. */
  readonly inGuest: Job;
  /** The host's curl, which fetches from the guest's. */
  readonly onHost: Program;
  /** What that one has got so far. */
  readonly file: string;
}

/**
 * Resolves when both have got something. Each fetches `path` of the other's web server. Without one, the transfers end
 * only by what happens: what sockets and rings can hold is a small part of them.
 */
export async function transfersUnderWay(guest: Guest, path = "endless"): Promise<Transfers> {
  const { vm, host } = guest;
  const slowly = "--limit-rate 2M";
  await vm.output(`rm -f /tmp/partial; truncate -s 1G ${guest.served("endless")}`);
  const inGuest = vm.start(`curl -sSf ${slowly} ${PROXY} -o /tmp/partial ${host.web.url}/${path}`);
  const url = `http://127.0.0.1:${host.publishedPort}/${path}`;
  const file = join(host.folder, "partial");
  rmSync(file, { force: true });
  const onHost = new Program("curl", ["-sSf", ...slowly.split(" "), "-o", file, url]);
  await until(
    "transfers to be under way",
    async () => {
      if (inGuest.exitCode !== undefined) throw inGuest.failure("ended early");
      if (onHost.isOver) throw new Error(`the host's curl ended early: ${onHost.errors}`);
      const { stdout } = await vm.run("stat -c %s /tmp/partial");
      const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
      return Number(stdout) >= UNDER_WAY_BYTES && size >= UNDER_WAY_BYTES;
    },
    20_000,
  );
  return {
    inGuest,
    onHost,
    file,
    [Symbol.dispose]() {
      inGuest[Symbol.dispose]();
      onHost[Symbol.dispose]();
    },
  };
}
