// The rules of scripts/lint bite: each is broken once, in the sources as they are, and says so.

import { describe, expect, test } from "vitest";
import { type Files, projectFiles } from "../../scripts/lint/files.ts";
import { type Graph, graphOf } from "../../scripts/lint/graph.ts";
import { RULES } from "../../scripts/lint/rules.ts";

const files = projectFiles();
const graph = graphOf(files);

/** The project with lines more in one of its files. */
function withMore(path: string, more: string): { files: Files; graph: Graph } {
  const text = files.get(path);
  if (text === undefined) throw new Error(`no such file: ${path}`);
  const changed = new Map([...files, [path, `${text}\n${more}\n`]]);
  const its = graphOf(changed, [path]);
  const edges = [...graph.edges.filter(({ from }) => from !== path), ...its.edges];
  return {
    files: changed,
    graph: { nodes: graph.nodes, edges, pathTexts: [...graph.pathTexts, ...its.pathTexts] },
  };
}

function broken(name: string, project: { files: Files; graph: Graph }): string[] {
  const rule = RULES.find((rule) => rule.name === name)!;
  return rule.check(project.graph, project.files);
}

const MONITOR = "packages/monitor/src";

const SEEDS: readonly [rule: string, what: string, path: string, more: string][] = [
  [
    "no-cycle",
    "two files that import each other's types",
    "packages/control/src/limits.ts",
    'import type { RingProducer } from "./ring.ts"; import "./index.ts";',
  ],
  [
    "no-cycle",
    "a type named by import(...)",
    "packages/control/src/limits.ts",
    'type All = typeof import("./index.ts");',
  ],
  ["no-cycle", "headers in C that include each other", "native/lib/ringway.h", '#include "../agent/agent.h"'],
  [
    "no-cycle",
    "files in C behind one header that call each other",
    "native/lib/frame.c",
    "int32_t rwi_frame_step(struct rw_guest *guest) { return rwi_control_step(guest, 0, 0); }",
  ],
  [
    "no-cycle",
    "two parts of the relay that call each other",
    "native/bench/relay/control.c",
    "void step_twice(struct guest *g) { take_pending(g); }",
  ],
  [
    "rooms-one-way",
    "the policy names a disk, which knows of the policy",
    `${MONITOR}/policy/limits.ts`,
    'import type { Root } from "../disk/roots.ts";',
  ],
  [
    "rooms-one-way",
    "the reactor comes to the lines that wait on it, by a type named in a folder of theirs",
    `${MONITOR}/reactor/timers.ts`,
    'type All = typeof import("../observe/logs/ring.ts");',
  ],
  [
    "rooms-one-way",
    "a stream of the SDK names a file, which is a stream",
    "packages/guest/src/stream/chunks.ts",
    'import type { File } from "../files/file.ts";',
  ],
  [
    "packages-one-way",
    "the guest's package imports the monitor's",
    "packages/guest/src/index.ts",
    'import "@ringway/monitor";',
  ],
  [
    "packages-one-way",
    "the guest's package imports a type of the monitor's",
    "packages/guest/src/index.ts",
    'export type { Monitor } from "@ringway/monitor";',
  ],
  [
    "packages-one-way",
    "a package imports another by its path",
    "packages/guest/src/index.ts",
    'import "../../control/src/index.ts";',
  ],
  [
    "packages-one-way",
    "the command cannot start without a private package",
    "packages/cli/src/index.ts",
    'import "@ringway/bench";',
  ],
  ["packages-one-way", "linux knows control", "packages/linux/src/index.ts", 'import "@ringway/control";'],
  [
    "native-one-way",
    "the library includes POSIX",
    "native/lib/ring.c",
    '#include "../posix/ringway-posix.h"',
  ],
  [
    "native-one-way",
    "native/ includes what is outside of it",
    "native/agent/main.c",
    '#include "../../packages/x.h"',
  ],
  [
    "published-stand-alone",
    "a published package reads a file of the repository",
    "packages/cli/src/index.ts",
    'new URL("../../../native/build/rwcat", import.meta.url);',
  ],
  [
    "control-is-pure",
    "control reads files",
    "packages/control/src/index.ts",
    'import { readFileSync } from "node:fs";',
  ],
  [
    "control-is-pure",
    "control imports a package",
    "packages/control/src/index.ts",
    'import koffi from "koffi";',
  ],
  [
    "messages-core-is-pure",
    "a codec uses Node's",
    "packages/messages/src/core/codecs/cobs.ts",
    'import { Buffer } from "node:buffer";',
  ],
  [
    "relays-know-no-guest",
    "a relay names a guest's class",
    `${MONITOR}/relays/tcp-connect.ts`,
    'import type { Attachment } from "../guests/attachment.ts";',
  ],
  [
    "relays-know-no-guest",
    "a relay reaches a guest's class through another file",
    `${MONITOR}/policy/matcher.ts`,
    'import type { Attachment } from "../guests/attachment.ts";',
  ],
  [
    "reactor-knows-no-guest",
    "the reactor names a relay",
    `${MONITOR}/reactor/reactor.ts`,
    'import type { x } from "../relays/tcp-relay.ts";',
  ],
  [
    "no-private-getter",
    "a class has one",
    "packages/control/src/limits.ts",
    "class Half { #all = 1; get #half(): number { return this.#all / 2; } }",
  ],
];

describe("a rule of the house", () => {
  test.each(SEEDS)("%s: sees that %s", (rule, _, path, more) => {
    const before = new Set(broken(rule, { files, graph }));
    const after = broken(rule, withMore(path, more)).filter((line) => !before.has(line));
    expect(after.length).toBeGreaterThan(0);
    expect(after.join("\n")).toContain(path.replace(/\.[ch]$/, ""));
  });

  test("control-is-pure: sees that control depends on a package", () => {
    const path = "packages/control/package.json";
    const manifest = { ...JSON.parse(files.get(path)!), dependencies: { koffi: "3.3.4" } };
    const changed = new Map([...files, [path, JSON.stringify(manifest)]]);
    expect(broken("control-is-pure", { files: changed, graph })).toEqual([`${path}: koffi`]);
  });

  test("is broken here at least once, whichever it is", () => {
    expect(new Set(SEEDS.map(([rule]) => rule))).toEqual(new Set(RULES.map(({ name }) => name)));
  });
});
