// The files of the agent call each other in one direction: as the map in agent.h has them, from its top to its bottom.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { buildForTests, NATIVE, noSanitizers, run, titled } from "../native/toolchain.ts";
import { BUILD_MS } from "./agent.ts";

const AGENT = join(NATIVE, "agent");
/** The files that the map names, in its order. */
const map = readFileSync(join(AGENT, "agent.h"), "utf8").split(/^\/\/ ── .*\n/m)[1]!;
const order = [...map.matchAll(/([\w-]+)\.c\b/g)].map(([, name]) => name!);

describe.skipIf(noSanitizers !== undefined)(titled("the agent's files", noSanitizers), () => {
  /** Of each file: the symbols that it defines, and those that it wants. */
  const defined = new Map<string, string>();
  const wanted = new Map<string, string[]>();

  beforeAll(() => {
    const objects = join(buildForTests(), "obj/agent");
    for (const name of order) {
      const { stdout } = run("nm", [join(objects, `${name}.o`)]);
      for (const [, type, symbol] of stdout.matchAll(/ ([A-Z]) (\w+)$/gm))
        if (type === "U") wanted.set(name, [...(wanted.get(name) ?? []), symbol!]);
        else defined.set(symbol!, name);
    }
  }, BUILD_MS);

  test("stand in the map, each once", () => {
    const files = readdirSync(AGENT).filter((name) => name.endsWith(".c"));
    expect(order.map((name) => `${name}.c`).sort()).toEqual(files.sort());
  });

  test("call only files that stand behind them", () => {
    expect(wanted.size).toBeGreaterThan(20);
    const upwards: string[] = [];
    for (const [from, symbols] of wanted)
      for (const symbol of symbols) {
        const to = defined.get(symbol);
        if (to !== undefined && order.indexOf(to) < order.indexOf(from))
          upwards.push(`${from}.c: ${symbol}()`);
      }
    expect(upwards).toEqual([]);
  });
});
