// ringway-agent --mount, for longer than anybody waits: all calls of fixtures/posix-calls.py, and random calls on one
// file (fixtures/fsx.c) for ten minutes; RINGWAY_SEED begins with another seed than chance.

import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { run } from "../native/toolchain.ts";
import { heldForAll } from "../support/held.ts";
import { Program } from "../support/processes.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { BUILD_MS } from "./agent.ts";
import { buildFsx, type Mounted, mountFolder, noMount, sameCalls } from "./mount-oracle.ts";

// All of it would be skipped, and nobody reads that.
if (noMount !== undefined) throw new Error(noMount);
const MINUTE_MS = 60_000;
const FSX_MS = 10 * MINUTE_MS;
const CALLS = "3000";

describe.each(["", ",writeback"])("ringway-agent --mount /data%s", (words) => {
  let mounted: Mounted;
  let fsx: string;
  const hold = heldForAll();
  beforeAll(async () => {
    mounted = await mountFolder(hold, words);
    fsx = buildFsx(temporaryFolder("fsx"));
  }, BUILD_MS);

  // What is written back later is not what the host has at once.
  test.skipIf(words !== "")(
    "each call gives what it gives on a folder of the host's, and changes the same",
    () => sameCalls(mounted, 1),
    30 * MINUTE_MS,
  );

  test(
    "a file is what it should be after random calls for ten minutes",
    async () => {
      const endMs = performance.now() + FSX_MS;
      const { here, host, guest } = mounted;
      let seed = Number(process.env.RINGWAY_SEED ?? Math.floor(Math.random() * 2 ** 30));
      for (let rounds = 0; performance.now() < endMs; rounds++, seed++) {
        const [command, ...words] = [...guest.under, fsx, join(here, "file"), String(seed), CALLS];
        using program = new Program(command!, words);
        const { code, stderr } = await program.ended;
        expect({ code, stderr }, `seed ${seed}, round ${rounds}`).toEqual({ code: 0, stderr: "" });
        const sum = (path: string): string => run("sha256sum", [path]).stdout.split(" ")[0]!;
        const seen = (await guest.run("sha256sum", join(here, "file"))).split(" ")[0];
        expect(seen, `seed ${seed}`).toBe(sum(join(host, "file")));
      }
    },
    FSX_MS + 5 * MINUTE_MS,
  );
});
