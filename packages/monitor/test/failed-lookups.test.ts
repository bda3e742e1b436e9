// Lookups that nobody has answered: which have a line in the log, and what it says.

import { expect, test } from "vitest";
import { FailedLookups } from "../src/monitor/failed-lookups.ts";
import { Resolver } from "../src/names/resolver.ts";

interface Line {
  readonly fields: unknown;
  readonly text: string;
}

function logged(): { readonly lines: Line[]; readonly log: (fields: unknown, text: string) => void } {
  const lines: Line[] = [];
  return { lines, log: (fields, text) => lines.push({ fields, text }) };
}

test("a name that no server answers for has a line that says why; one that does not exist has none", async () => {
  const { lines, log } = logged();
  const failures = new FailedLookups(log);
  const codes = new Map([
    ["refusing.test", "EREFUSED"],
    ["none.test", "ENOTFOUND"],
  ]);
  const lookup = async (name: string, signal: AbortSignal): Promise<readonly string[]> => {
    const code = codes.get(name);
    if (code !== undefined) throw Object.assign(new Error(`queryA ${code} ${name}`), { code });
    return await new Promise((_, reject) =>
      signal.addEventListener("abort", () => reject(new Error("given up"))),
    );
  };
  const resolver = new Resolver(lookup, undefined, (...failure) => failures.failed(...failure));
  const ended = (name: string, id: number): Promise<void> =>
    new Promise((done) =>
      resolver.resolve({ id, guest: "guest-1", timeoutMs: 20 }, name, ({ ended }) => ended && done()),
    );
  await Promise.all(["refusing.test", "none.test", "silent.test"].map(ended));
  expect(lines).toEqual([
    {
      fields: { guest: "guest-1", lookup: "refusing.test" },
      text: "no answer about refusing.test: queryA EREFUSED refusing.test",
    },
    {
      fields: { guest: "guest-1", lookup: "silent.test" },
      text: "no answer about silent.test: nothing within 20 ms (ETIMEDOUT)",
    },
  ]);
  resolver.resolve({ id: 9, guest: "guest-1", timeoutMs: 60_000 }, "cancelled.test", () => {});
  resolver.close();
  expect(lines).toHaveLength(2);
});

test("in a second a name has one line, and few names have: how many others there were is in the next", () => {
  const { lines, log } = logged();
  let nowMs = 5000;
  const failures = new FailedLookups(log, () => nowMs);
  for (let i = 0; i < 200; i++) {
    failures.failed(`n${i % 100}.test`, "ETIMEOUT", `guest-${i}`);
    failures.failed("n0.test", "ETIMEOUT", "guest-1");
  }
  const fields = [0, 1, 2, 3].map((i) => ({ guest: `guest-${i}`, lookup: `n${i}.test` }));
  expect(lines.map((line) => line.fields)).toEqual(fields);
  nowMs += 1000;
  failures.failed("n9.test", "ETIMEOUT", "guest-2");
  expect(lines.at(-1)).toEqual({
    fields: { guest: "guest-2", lookup: "n9.test", others: 95 },
    text: "no answer about n9.test: ETIMEOUT",
  });
});
