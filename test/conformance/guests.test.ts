// Every vector and scenario against the guests there are: TypeScript and C in this process, TypeScript as a program.

import { TYPESCRIPT_TESTEE } from "@ringway/conformance";
import { describe, expect, test } from "vitest";
import { ProcessTestee } from "../../packages/conformance/src/process-testee.ts";
import { makeReport, type Report } from "../../packages/conformance/src/report.ts";
import { guestCases, runGuest } from "../../packages/conformance/src/suite.ts";
import { TypeScriptGuest } from "../../packages/conformance/src/typescript/guest.ts";
import { CGuest } from "./c-guest.ts";
import { buildLibrary } from "./c-library.ts";
import { loadGuest } from "./mistakes/load.ts";
import { SDK_CASES, SDK_LEAVES_OUT, SdkGuest } from "./sdk-guest.ts";

const reason = buildLibrary();

function passes(report: Report, unsupported: readonly string[] = []): void {
  expect(report.failures).toEqual([]);
  expect([...new Set(report.missing.map((check) => check.case))]).toEqual(unsupported);
  expect(report.passed).toBeGreaterThan(2000);
}

describe("the TypeScript guest", () => {
  test("in process", async () => {
    const checks = await runGuest(() => new TypeScriptGuest());
    passes(makeReport("TypeScript", checks));
    // What a case lists, it checks: a list may not promise more.
    for (const { name, clauses } of guestCases()) {
      const checked = new Set(checks.filter((check) => check.case === name).map(({ clause }) => clause));
      expect([name, clauses.filter((clause) => !checked.has(clause))]).toEqual([name, []]);
    }
  });

  test("as a program, over the testee contract", async () => {
    passes(makeReport("TypeScript", await runGuest(() => new ProcessTestee(TYPESCRIPT_TESTEE, 5000))));
  });
});

describe("a guest of version 1.0, which knows nothing of what 1.1 adds", () => {
  /** Files of vectors, and names of cases, of version 1.1. */
  const ADDED = ["udp", "resolve", "unix", "mount"];
  const codecs = (replace: string) => ({ module: "typescript/codecs", replace, by: "" });

  test("keeps all of it against a host of 1.1, and lacks what was added", async () => {
    const Guest = loadGuest([
      { module: "layout", replace: "VERSION_MINOR = 1;", by: "VERSION_MINOR = 0;" },
      codecs(
        "...[udpMessages, resolveMessages, unixMessages, mountMessages].flatMap((each) => Object.values(each)),",
      ),
      codecs('["UdpBindRequest", udpMessages.UdpBindRequest],'),
      codecs(
        '...["UnixConnectRequest", "UnixConnectReply", "UnixListenRequest"].map((name) => [name, unixMessages[name]]),',
      ),
      codecs('...["MountRequest", "MountReply"].map((name) => [name, mountMessages[name]]),'),
    ]);
    const report = makeReport("1.0", await runGuest(() => new Guest()));
    expect(report.failures).toEqual([]);
    const isAdded = (name: string): boolean => ADDED.some((file) => name.startsWith(`${file}: `));
    expect(report.missing.filter((check) => !isAdded(check.case))).toEqual([]);
    expect(report.missing.length).toBeGreaterThan(300);
    expect(report.passed).toBeGreaterThan(2000);
  });
});

describe("the TypeScript SDK", () => {
  test("in process: attach, epochs, streams, and hosts that misbehave", async () => {
    const options = { only: SDK_CASES, except: Object.keys(SDK_LEAVES_OUT) };
    const report = makeReport("SDK", await runGuest(() => new SdkGuest(), options));
    expect(report.failures).toEqual([]);
    expect(report.passed).toBeGreaterThan(400);
    const names = guestCases().map(({ name }) => name);
    for (const name of options.except) expect(names).toContain(name);
  });
});

describe("the C guest", () => {
  test.skipIf(reason !== undefined)(
    `in process, over the same memory${reason ? ` (${reason})` : ""}`,
    async () => {
      const report = makeReport("C", await runGuest(() => new CGuest()));
      // The library leaves the attach socket to its hosted layer.
      passes(
        report,
        guestCases()
          .filter(({ name }) => name.startsWith("hello: "))
          .map(({ name }) => name),
      );
    },
  );
});
