// cp() of a folder copies several files at a time: what comes of it does not depend on which is done first, and a
// failure leaves nothing under way.

import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Guest } from "@ringway/guest";
import { Errno } from "@ringway/linux";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { heldForAll } from "../../../test/support/held.ts";
import { harvest as harvested } from "../../../test/support/tree.ts";
import { Lanes } from "../src/files/lanes.ts";
import { type Host, startHost } from "./host.ts";

const hold = heldForAll();
let host: Host;
let guest: Guest;

beforeAll(async () => {
  host = hold(await startHost());
  guest = hold(await Guest.attach(host.path));
});

/** Files of many sizes in folders of many modes, and links between them. */
function plant(root: string): void {
  for (let folder = 0; folder < 4; folder++) {
    const at = join(root, ...Array.from({ length: folder }, (_, depth) => `folder-${depth}`));
    mkdirSync(at, { recursive: true });
    for (let file = 0; file < 8; file++) {
      const size = (file * 27_919 * (folder + 1)) % 90_000;
      writeFileSync(join(at, `file-${file}`), Buffer.alloc(size, `${folder}/${file}.`), {
        mode: 0o600 + file,
      });
    }
    symlinkSync("file-1", join(at, "link"));
    chmodSync(at, folder % 2 === 0 ? 0o755 : 0o555);
  }
}

const harvest = (root: string): string[] => harvested(root, { time: () => "" });

describe("cp() of a folder", () => {
  it("gives the tree that node:fs gives, and asks the filter in its order", async () => {
    const [from, theirs] = [join(host.data, "from"), join(host.data, "theirs")];
    plant(from);
    const asked: Record<string, string[]> = { theirs: [], ours: [] };
    let asking = 0;
    const filter =
      (whose: string) =>
      async (src: string): Promise<boolean> => {
        expect(++asking).toBe(1);
        asked[whose]!.push(src.replace(host.data, "/data"));
        await delay(0);
        asking--;
        return !src.endsWith("file-7");
      };
    await cp(from, theirs, { recursive: true, verbatimSymlinks: true, filter: filter("theirs") });
    await guest.cp("/data/from", "/data/ours", {
      recursive: true,
      verbatimSymlinks: true,
      filter: filter("ours"),
    });
    expect(asked.ours).toEqual(asked.theirs);
    expect(harvest(join(host.data, "ours"))).toEqual(harvest(theirs));
  });

  it("needs no more open files than one copy does", async () => {
    await using small = await startHost("limits: { openFiles: 2 }\n");
    await using other = await Guest.attach(small.path);
    plant(join(small.data, "from"));
    await other.cp("/data/from", "/data/to", { recursive: true, verbatimSymlinks: true });
    expect(harvest(join(small.data, "to"))).toEqual(harvest(join(small.data, "from")));
  });

  it("that fails says what failed first, and leaves nothing under way", async () => {
    const [from, to] = [join(host.data, "failing"), join(host.data, "failed")];
    mkdirSync(from);
    for (let file = 0; file < 60; file++) writeFileSync(join(from, `file-${file}`), "x".repeat(50_000));
    // In the way of a file: a folder.
    mkdirSync(join(to, "file-50"), { recursive: true });
    const copied = guest.cp("/data/failing", "/data/failed", { recursive: true });
    await expect(copied).rejects.toMatchObject({ code: "ERR_FS_CP_NON_DIR_TO_DIR", errno: -Errno.ENOTDIR });
    const left = harvest(to);
    await delay(100);
    expect(harvest(to)).toEqual(left);
    for (const line of left.filter((each) => !each.startsWith("file-50 ")))
      expect(line).toMatch(/ x{50000}$/);
  });

  it("that is aborted fails so, and leaves nothing under way", async () => {
    const from = join(host.data, "long");
    mkdirSync(from);
    for (let file = 0; file < 60; file++) writeFileSync(join(from, `file-${file}`), "x".repeat(50_000));
    const aborting = new AbortController();
    let asked = 0;
    const filter = (): boolean => {
      if (++asked === 30) aborting.abort();
      return true;
    };
    const warnings: string[] = [];
    const warned = ({ name }: Error): void => void warnings.push(name);
    process.on("warning", warned);
    const copied = guest.cp("/data/long", "/data/cut", { recursive: true, filter, signal: aborting.signal });
    await expect(copied).rejects.toMatchObject({ code: "ABORT_ERR", cause: { name: "AbortError" } });
    expect(asked).toBeLessThan(60);
    await delay(0);
    process.off("warning", warned);
    expect(warnings).toEqual([]);
  });
});

describe("lanes", () => {
  it("hold so many at a time at the most, whatever ends first; after one has failed no other begins", async () => {
    const piece = fc.record({ ticks: fc.integer({ min: 0, max: 5 }), fails: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(piece, { maxLength: 20 }),
        async (most, pieces) => {
          const lanes = new Lanes(most);
          const begun: Promise<void>[] = [];
          const errors: Error[] = [];
          let underWay = 0;
          const work = async ({ ticks, fails }: (typeof pieces)[number]): Promise<void> => {
            lanes.check();
            expect(++underWay).toBeLessThanOrEqual(most);
            for (let tick = 0; tick < ticks; tick++) await null;
            underWay--;
            if (!fails) return;
            errors.push(new Error(`after ${ticks}`));
            throw errors.at(-1);
          };
          let failure: unknown;
          try {
            for (const each of pieces) {
              await lanes.free();
              begun.push(lanes.run(() => work(each)));
            }
          } catch (error) {
            failure = error;
          }
          await Promise.all(begun);
          expect(underWay).toBe(0);
          expect(failure === undefined || failure === errors[0]).toBe(true);
          if (errors.length === 0) expect(begun).toHaveLength(pieces.length);
          if (errors.length > 0) expect(() => lanes.check()).toThrow(errors[0]);
          else lanes.check();
        },
      ),
    );
  });
});
