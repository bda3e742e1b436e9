// Where a capture is written: whose the files are, and what becomes of it when nothing can be written.

import { chmodSync, existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { Output } from "../src/capture/output.ts";
import type { Failure } from "../src/errors.ts";

let folder: string;
const head = (): Uint8Array => new Uint8Array(0);
const unexpected = (failure: Failure): never => {
  throw failure;
};

beforeAll(() => {
  folder = temporaryFolder("captures");
});

test("a file that was there before is its owner's alone from then on", () => {
  const path = join(folder, "before");
  writeFileSync(path, "others read this");
  chmodSync(path, 0o644);
  {
    using output = new Output({ path, head, onFailure: unexpected });
    output.write(Buffer.from("of guests"));
  }
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readFileSync(path, "utf8")).toBe("of guests");
});

test("a device keeps its mode", () => {
  const mode = statSync("/dev/null").mode;
  using _output = new Output({ path: "/dev/null", head, onFailure: unexpected });
  expect(statSync("/dev/null").mode).toBe(mode);
});

test("there is no other file behind one that cannot be written", () => {
  symlinkSync("/dev/full", join(folder, "full-00001"));
  const failures: Failure[] = [];
  using output = new Output({
    path: join(folder, "full"),
    rotateBytes: 10,
    head,
    onFailure: (failure) => failures.push(failure),
  });
  output.write(new Uint8Array(20));
  expect(output.rotate()).toBe(false);
  expect(failures.map(String)).toEqual([expect.stringContaining("ENOSPC")]);
  expect(existsSync(join(folder, "full-00002"))).toBe(false);
});
