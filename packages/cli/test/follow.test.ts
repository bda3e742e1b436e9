// What is read of a file that grows while it is moved away, emptied, and taken away for a time.

import { appendFileSync, mkdirSync, renameSync, rmdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { followed } from "../src/log/follow.ts";
import { linesOf } from "../src/log/lines.ts";

it("leaves a file that was moved away once the next has bytes, ends lines with their file, and says when there is more", async () => {
  const file = join(temporaryFolder("followed"), "audit");
  const ending = new AbortController();
  const troubles: string[] = [];
  const looks: boolean[] = [];
  const steps = [
    // As logrotate's `create`: whoever writes goes on in the old one.
    () => {
      renameSync(file, `${file}.1`);
      writeFileSync(file, "");
    },
    () => appendFileSync(`${file}.1`, "two\nhalf of"),
    () => {},
    () => appendFileSync(file, "three\nhalf"),
    () => {
      truncateSync(file);
      appendFileSync(file, "four\n");
    },
    () => {
      renameSync(file, `${file}.2`);
      mkdirSync(file);
      appendFileSync(join(file, "..", "audit.2"), "five\n");
      steps.push(() => ending.abort());
    },
  ];
  writeFileSync(file, "one\n");
  const idle = (hasMore: boolean): void => {
    looks.push(hasMore);
    steps.shift()?.();
  };
  const trouble = (error: Error): void => {
    troubles.push(error.message);
    if (troubles.length > 1) return;
    rmdirSync(file);
    writeFileSync(file, "six\n");
  };
  const lines: (string | undefined)[] = [];
  for await (const line of linesOf(followed(file, ending.signal, { idle, trouble }))) lines.push(line);
  expect(lines).toEqual(["one", "two", "half of", "three", "half", "four", "five", "six"]);
  expect(looks.slice(0, 4)).toEqual([true, false, true, false]);
  // Once more, before it is left.
  expect(troubles).toEqual(Array(2).fill(expect.stringContaining("EISDIR")));
});
