// Invariants that are asserted must bite: each is broken by a mistake that is put into a module's text, as tsc writes
// it, and found by what a test does anyway.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import type * as Control from "../src/index.ts";

const built = fileURLToPath(new URL("../dist/", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "ringway-invariants-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
writeFileSync(join(scratch, "package.json"), '{"type":"module"}');

interface Mistake {
  readonly module: string;
  readonly replace: string;
  readonly by: string;
}

let copies = 0;

/** The package with a mistake in it: text that must stand there exactly once. */
async function controlWith(mistake: Mistake | undefined): Promise<typeof Control> {
  const folder = join(scratch, String(copies++));
  for (const name of readdirSync(built, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".js")) continue;
    let text = readFileSync(join(built, name), "utf8").replace(/^\/\/# sourceMappingURL.*$/m, "");
    if (name === `${mistake?.module}.js`) {
      const parts = text.split(mistake!.replace);
      expect(parts, `${name} has this once: ${mistake!.replace}`).toHaveLength(2);
      text = parts.join(mistake!.by);
    }
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return await import(/* @vite-ignore */ pathToFileURL(join(folder, "index.js")).href);
}

type Work = (control: typeof Control) => void;

/** Blocks of several sizes, taken and given back in another order. */
const allocate: Work = ({ PageAllocator }) => {
  const allocator = new PageAllocator(38, 200);
  const blocks = [3, 5, 3, 9, 20].map((pages) => ({ pages, page: allocator.allocate(pages)! }));
  for (const i of [1, 3, 0, 2]) {
    allocator.release(blocks[i]!.page, blocks[i]!.pages);
    allocator.invariants();
  }
  for (const pages of [7, 12, 5, 100]) {
    allocator.allocate(pages);
    allocator.invariants();
  }
};

/** A guest that attaches, opens streams, moves bytes, closes, opens more, leaves and comes back. */
const live: Work = (control) => {
  const memory = control.regionMemory(new SharedArrayBuffer(4 * 1024 * 1024));
  const bell = { ring: (): void => {} };
  const host = new control.HostSession(memory, bell, { streams: 4, ringBytes: 64 * 1024 });
  const guest = new control.GuestSession(memory, bell);
  const handler = { getArgs: () => ({ argv: [], env: [] }), log() {}, exit() {}, makeRoom: () => true };
  const explain = () => ({ allowed: true, rule: "", reason: "" });
  const check = (): void => {
    host.invariants();
    guest.invariants();
  };
  for (let epoch = 0; epoch < 2; epoch++) {
    guest.attach();
    check();
    // Work of its own may keep the host from beginning the next at once.
    host.checkGuest(() => false);
    check();
    host.checkGuest();
    check();
    guest.poll();
    host.checkGuest();
    for (let i = 0; i < 12; i++) {
      guest.send(control.NewStream, { toHostBytes: 4096 << (i % 3), toGuestBytes: 4096 });
      host.stepControl({ ...handler, explain }, 1);
      check();
      const reply = guest.nextReply()!;
      if (reply.type !== control.StreamInfo.type) continue;
      const pipe = guest.openPipe(control.StreamInfo.decode(reply.payload));
      const other = host.pipe(pipe.id)!;
      pipe.toHost.advance(100);
      other.toHost.advance(other.toHost.readable());
      other.toGuest.wantSpace(4096);
      other.toGuest.advance(other.toGuest.writable());
      check();
      // Every second stream stays.
      if (i % 2 === 1 || i === 0) continue;
      pipe.toHost.end();
      pipe.toGuest.close();
      guest.forget(pipe);
      other.toGuest.end();
      other.toHost.close();
      if (other.through()) host.release(other);
      check();
    }
    guest.detach();
    host.checkGuest();
    check();
  }
};

const MISTAKES: readonly (readonly [what: string, finds: RegExp, work: Work, mistake: Mistake])[] = [
  [
    "an allocator that forgets to count what it gives",
    /free pages are counted/,
    allocate,
    { module: "allocator", replace: "this.#freePages -= pages;\n        return start;", by: "return start;" },
  ],
  [
    "an allocator that gives a page too many back",
    /overlaps|behind the heap|touch/,
    allocate,
    {
      module: "allocator",
      replace: "this.#add(start + pages, size - pages);",
      by: "this.#add(start + pages - 1, size - pages);",
    },
  ],
  [
    "an allocator that does not merge with the run before",
    /touch each other/,
    allocate,
    { module: "allocator", replace: "if (before !== undefined) {", by: "if (false) {" },
  ],
  [
    "an allocator that leaves a run in the index of ends",
    /index of ends/,
    allocate,
    { module: "allocator", replace: "this.#startBefore.delete(start + pages);", by: "" },
  ],
  [
    "an allocator that leaves a run in the index of sizes",
    /index of sizes/,
    allocate,
    { module: "allocator", replace: "starts.delete(start);", by: "" },
  ],
  [
    "an allocator that does not count what it keeps",
    /kept blocks are counted/,
    allocate,
    { module: "allocator", replace: "this.#keptBlocks++;", by: "" },
  ],
  [
    "a producer that publishes more than there is room for",
    /a producer is at most its capacity ahead/,
    live,
    { module: "ring", replace: "return this.capacity - used;", by: "return this.capacity - used + 1;" },
  ],
  [
    "a consumer that takes more than it has seen",
    /a consumer takes no more than it has seen/,
    live,
    { module: "ring", replace: "return ahead;", by: "return ahead + 1;" },
  ],
  [
    "a host that does not count a stream that ends",
    /open streams are counted/,
    live,
    { module: "stream-table", replace: "this.#open--;", by: "" },
  ],
  [
    "a host that takes back a smaller block than it gave",
    /each page of the heap is free or a stream's/,
    live,
    {
      module: "stream-table",
      replace: "this.#heap.release(page, pipePages(toHostBytes, toGuestBytes));",
      by: "this.#heap.release(page, 3);",
    },
  ],
  [
    "a host that gives an id out twice",
    /free ids|each id|counted/,
    live,
    {
      module: "stream-table",
      replace: "this.#freeIds.push(pipe.id);",
      by: "this.#freeIds.push(pipe.id, pipe.id);",
    },
  ],
  [
    "a host that goes on with the streams of an epoch that is over",
    /streams are open only in an epoch that has begun/,
    live,
    { module: "host-session", replace: "this.#streams.clear();", by: "" },
  ],
  [
    "a host that miscounts the streams of a new epoch",
    /open streams are counted/,
    live,
    { module: "stream-table", replace: "this.#open = 0;\n    }", by: "this.#open = 1;\n    }" },
  ],
  [
    "a host that takes a guest for attached before its epoch has begun",
    /a guest attaches to an epoch that has begun|streams are open only|an epoch has a control pipe/,
    live,
    {
      module: "host-session",
      replace: "this.#setState(HostState.RESETTING);",
      by: 'this.#setState(HostState.RESETTING); this.#guest = "attached";',
    },
  ],
  [
    "a guest that keeps its streams when the epoch is over",
    /streams are open in an epoch alone/,
    live,
    { module: "guest-session", replace: "this.#pipes.clear();", by: "" },
  ],
  [
    "a guest that files a stream under another id",
    /each stream stands at its id/,
    live,
    {
      module: "guest-session",
      replace: "this.#pipes.set(info.id, pipe);",
      by: "this.#pipes.set(info.id + 1, pipe);",
    },
  ],
];

describe("an invariant that is asserted", () => {
  test.each([
    ["the allocator's", allocate],
    ["the sessions' and their rings'", live],
  ] as const)("holds where there is no mistake: %s", async (_, work) => {
    work(await controlWith(undefined));
  });

  test.each(MISTAKES)("finds %s", async (_, finds, work, mistake) => {
    const control = await controlWith(mistake);
    let found: unknown;
    try {
      work(control);
    } catch (error) {
      found = error;
    }
    expect(found).toBeInstanceOf(control.BrokenInvariant);
    expect((found as Error).message).toMatch(finds);
  });
});
