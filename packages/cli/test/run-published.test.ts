// --publish of `ringway run`: what the agent is told, and when that waits for the policy.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parsePolicy } from "@ringway/monitor";
import { afterAll, describe, expect, test } from "vitest";
import { UsageError } from "../src/errors.ts";
import { publishedBy, toldToPublish } from "../src/run/published.ts";

const folder = mkdtempSync(join(tmpdir(), "published-"));
afterAll(() => rmSync(folder, { recursive: true }));

function told(text: string): readonly string[] | undefined {
  const policy = join(folder, "policy.yaml");
  writeFileSync(policy, text);
  return toldToPublish({ policy, publish: [] });
}
const by = (text: string): readonly string[] => publishedBy(parsePolicy(text, { file: "policy.yaml" }));
const LISTENS = "version: 1\nlisten: [{ allow: 127.0.0.1, ports: 8080 }]\n";

describe("where nothing is said", () => {
  test.each([
    LISTENS,
    '{ "version": 1, "listen": [{ "allow": "127.0.0.1", "ports": 80 }] }',
    'version: 1\n"\\u006cisten": [{ allow: 127.0.0.1, ports: 80 }]\n',
    'version: 1\n? listen\n: [{ allow: 127.0.0.1, ports: 80 }] # { "#"\n',
  ])("a listen rule publishes what the program listens on: %j", (text) => {
    expect(told(text)).toBeUndefined();
    expect(by(text)).toEqual(["auto"]);
  });

  test.each([
    "version: 1\n",
    "version: 1\n# listen:\n#   - allow: 127.0.0.1\n",
    "version: 1\n  # to listen\nconnect: []\n",
  ])("the agent waits for no policy that cannot have one: %j", (text) => {
    expect(told(text)).toEqual([]);
    expect(by(text)).toEqual([]);
  });

  test("rules that deny, or are for datagrams alone, publish nothing", () => {
    expect(by("version: 1\nlisten: [{ deny: 127.0.0.1, ports: 80 }]\n")).toEqual([]);
    expect(by("version: 1\nlisten: [{ allow: 127.0.0.1, ports: 80, protocols: udp }]\n")).toEqual([]);
  });

  test("a policy from a pipe is left to whoever reads it", () => {
    const policy = join(folder, "pipe");
    execFileSync("mkfifo", [policy]);
    expect(toldToPublish({ policy, publish: [] })).toBeUndefined();
  });

  test("nothing is published by another monitor's policy, nor without one", () => {
    expect(toldToPublish({ publish: [] })).toEqual([]);
    expect(toldToPublish({ publish: [], policy: join(folder, "none"), attach: "attach.sock" })).toEqual([]);
  });
});

describe("what is said", () => {
  test("is told the agent, and waits for nothing", () => {
    const said = ["auto", "8080:80", "0.0.0.0:8443:443", "[::1]:8081:81"];
    expect(toldToPublish({ publish: said, policy: join(folder, "none") })).toEqual(said);
    expect(toldToPublish({ publish: ["off"], policy: join(folder, "none") })).toEqual([]);
  });

  test.each([["8080"], ["all"], ["a:b"], ["host:8080:80"], [""], ["off", "auto"]])(
    "is wrong usage where it means nothing: %s %s",
    (...publish) => {
      expect(() => toldToPublish({ publish: publish.filter((it) => it !== undefined) })).toThrow(UsageError);
    },
  );
});
