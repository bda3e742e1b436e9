// Thousands of streams of one C guest through a real monitor: every byte comes back, no wake-up is lost, every stream
// is given back.

import { beforeAll, describe, expect, test } from "vitest";
import { heldForAll } from "../support/held.ts";
import { guestsAre, startMonitor, type TestMonitor } from "../support/monitor.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { start } from "./rwcat-process.ts";
import { buildProgram, noCompiler, titled } from "./toolchain.ts";

describe.skipIf(noCompiler !== undefined)(titled("a C guest with many streams", noCompiler), () => {
  let host: TestMonitor;
  let program: string;

  const hold = heldForAll();
  beforeAll(async () => {
    program = buildProgram(temporaryFolder("many"), "many", "many.c");
    host = hold(await startMonitor("version: 1\nlimits: { streams: 4000, regionBytes: 64MiB }\n"));
  }, 180_000);

  test.each([
    ["one after the other, four at a time", 4, 200, 40_000],
    ["a thousand at once", 1000, 3, 20_000],
    ["as many small ones as the limit allows, a new one for each that is closed", 4000, 2, 3000],
  ])(
    "%s",
    async (_what, streams, rounds, bytes) => {
      const args = [String(streams), String(rounds), String(bytes)];
      const { code, stdout, stderr } = await start(program, args, "", { RINGWAY_SOCKET: host.path }).done;
      expect({ code, stdout: stdout.toString(), stderr }).toEqual({
        code: 0,
        stdout: `${streams * rounds}\n`,
        stderr: "",
      });
      expect(host.violations).toEqual([]);
      await guestsAre(host.monitor, 0);
      expect(host.monitor.counters().streams).toBe(0);
    },
    60_000,
  );
});
