// What `policy learn --policy` keeps of the policy that was in force: whatever the learned one allows of what that one
// has rules for, that one allowed.

import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Policy, PolicyMatcher, parsePolicy } from "@ringway/monitor";
import fc from "fast-check";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import type { AuditLine } from "../src/learn/audit-lines.ts";
import { denials, otherKeys } from "../src/learn/in-force.ts";
import { Learned } from "../src/learn/learned.ts";
import { PathsAsked } from "../src/learn/paths.ts";
import { inProcess } from "./in-process.ts";

const NO_FOLDERS: ReadonlyMap<string, string> = new Map();
const folder = temporaryFolder("learn-kept");
const parse = (text: string): Policy => parsePolicy(text, { file: join(folder, "policy.yaml") });

let files = 0;
async function learned(policy: string, lines: readonly object[]): Promise<{ text: string; policy: Policy }> {
  const [of, audit] = [join(folder, `policy-${++files}.yaml`), join(folder, `audit-${files}`)];
  writeFileSync(of, policy);
  const time = "2026-11-27T10:00:00.000Z";
  writeFileSync(
    audit,
    lines.map((line) => `${JSON.stringify({ time, guest: "web-1", ...line })}\n`).join(""),
  );
  const { code, stdout, stderr } = await inProcess("policy", "learn", "--from", audit, "--policy", of);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return { text: stdout, policy: parse(stdout) };
}
const opened = (protocol: string, what: string, rule: string, more: object = {}): object => ({
  audit: "opened",
  protocol,
  what,
  rule,
  ...more,
});

test("a read-only folder inside one that is written stays so, by its guest path, its folder and a link", async () => {
  mkdirSync(join(folder, "data/ro"), { recursive: true });
  mkdirSync(join(folder, "data/linked"));
  mkdirSync(join(folder, "apart"));
  symlinkSync("data/linked", join(folder, "link"));
  const { text, policy } = await learned(
    `version: 1
files:
  - { id: inner, guest: /data/ro, host: ./data/ro, access: ro }
  - { id: linked, guest: /linked, host: ./link, access: ro }
  - { id: apart, guest: /apart, host: ./apart, access: rw, owner: { uid: 7, gid: 7 } }
  - { id: unused, guest: /unused, host: ./apart, access: rw }
  - { id: outer, guest: /data, host: ./data, access: rw }
`,
    [
      opened("file", "/data/x", "outer"),
      { ...opened("file", "/data/x", "outer"), audit: "closed", bytesToHost: 3 },
      opened("file", "/apart/x", "apart"),
    ],
  );
  expect(policy.files.map(({ id, access }) => `${id} ${access}`)).toEqual([
    "inner ro",
    "linked ro",
    "apart ro",
    "outer rw",
  ]);
  expect(text).toContain("# not used; kept since it lies below rule outer\n");
  expect(policy.files.some(({ owner }) => owner !== undefined)).toBe(false);
});

/** On the host, the deepest folder on the way decides. */
function mayChange({ files }: Policy, at: string): boolean {
  const on = files.filter(({ host }) => at === host || at.startsWith(`${host}/`));
  const [deepest] = on.toSorted((a, b) => b.host.length - a.host.length);
  return on.every(({ host, access }) => host !== deepest!.host || access === "rw");
}

test("whatever the learned policy allows of files, the one that was in force allowed", () => {
  const PATHS = ["/a", "/a/b", "/a/b/c", "/a/d", "/e"];
  const rule = fc.record({
    guest: fc.constantFrom(...PATHS),
    host: fc.constantFrom("/x", "/x/y", "/x/y/z", "/w"),
    access: fc.constantFrom("ro" as const, "rw" as const),
    used: fc.constantFrom("not", "read", "written"),
  });
  fc.assert(
    fc.property(fc.uniqueArray(rule, { selector: ({ guest }) => guest, maxLength: 5 }), (all) => {
      // A policy with one folder both ways is refused.
      const accesses = new Map(all.map(({ host, access }) => [host, access]));
      fc.pre(all.every(({ host, access }) => accesses.get(host) === access));
      const rules = all
        .toSorted((a, b) => b.guest.length - a.guest.length)
        .map((one, i) => ({ ...one, id: `r${i}` }));
      const text = rules.map(
        ({ id, guest, host, access }) =>
          `\n  - { id: ${id}, guest: ${guest}, host: ${host}, access: ${access} }`,
      );
      const policy = parse(`version: 1\nfiles:${text.length === 0 ? " []" : text.join("")}\n`);
      const asked = new PathsAsked();
      for (const { id, guest, access, used } of rules) {
        if (used === "not") continue;
        const bytesToHost = used === "written" && access === "rw" ? 1 : 0;
        const line = { audit: "opened", protocol: "file", what: guest, rule: id, bytesToHost };
        asked.take(line as AuditLine);
      }
      const lesson = parse(`version: 1\n${asked.toString(policy, NO_FOLDERS)}`);
      const [before, after] = [policy, lesson].map((each) => new PolicyMatcher(each));
      for (const path of [...PATHS, "/a/y", "/a/y/z", "/e/y"]) {
        for (const write of [false, true]) {
          const now = after!.file(path, write);
          if (!now.allowed) continue;
          const then = before!.file(path, write);
          expect(then.allowed, `${path}\n${asked.toString(policy, NO_FOLDERS)}`).toBe(true);
          const [was, is] = [policy.files[then.ruleIndex]!, lesson.files[now.ruleIndex]!];
          expect(is.host).toBe(was.host);
          if (!write) continue;
          const at = join(is.host, now.relativePath);
          expect(
            mayChange(lesson, at) && !mayChange(policy, at),
            `${at}\n${asked.toString(policy, NO_FOLDERS)}`,
          ).toBe(false);
        }
      }
    }),
  );
});

test("what was denied is denied still, in its place, and nothing is denied that was allowed", async () => {
  const { policy } = await learned(
    `version: 1
connect:
  - { id: first, allow: good.evil.example, ports: 443 }
  - { id: no, deny: ["*.evil.example", 192.0.2.0/24, private, "host."], ports: [1-65535] }
  - { id: any, allow: "*", ports: [443, 444] }
listen:
  - { id: never, deny: 0.0.0.0, ports: 8080, protocols: tcp }
`,
    [
      opened("tcp-connect", "good.evil.example:443", "first", { address: "8.8.8.8:443" }),
      opened("tcp-connect", "a.example:443", "any", { address: "8.8.8.8:443" }),
      // What is denied now was not, then.
      opened("tcp-connect", "bad.evil.example:443", "any", { address: "8.8.8.8:443" }),
      { audit: "refused", protocol: "tcp-connect", what: "a.example:80", rule: "default" },
    ],
  );
  expect(policy.connect.map(({ id, names }) => `${id} ${names}`)).toEqual([
    "connect[0] good.evil.example",
    "no *.evil.example,host",
    "connect[2] a.example",
    "connect[3] a.example",
  ]);
  expect(policy.connect[1]!.networks).toEqual(["192.0.2.0/24", "private"]);
  expect(policy.listen).toMatchObject([{ id: "never", action: "deny" }]);
});

test("all that a policy says beside its rules is kept as it is", () => {
  const text = `version: 1
refusals: hide
audit: required
audited: refusals
guest: { argv: ["--a b", "true"], env: { MODE: "x: y" } }
run: { system: [default, /opt] }
vms: [{ name: one, memory: /m/one, doorbell: /d/one, size: 1MiB }]
limits: { streams: 5, regionBytes: 1MiB, streamBytes: 64KiB, networkBytes: 5GiB }
rates: { bytesToHost: 1MiB, bytesToHostBurst: 2MiB, bytesToGuest: 3MiB, lookups: 7 }
timeouts: { connectMs: 5 }
`;
  expect(parse(`version: 1\n${otherKeys(parse(text))}`)).toEqual(parse(text));
  expect(otherKeys(parse("version: 1\n"))).toBe("");
  expect(denials(parse("version: 1\n"))).toEqual({ connect: [], listen: [] });
});

test("what is kept of one guest is bounded over all ports and addresses, and what is cut is said", () => {
  const lesson = new Learned({});
  for (let i = 0; i < 300; i++) {
    for (let port = 1; port <= 50; port++)
      lesson.addAllowed({ list: "connect", host: `h${i}.example`, port, transport: "tcp" }, []);
  }
  const lost = /# (\d+) more are not here/.exec(String(lesson))?.[1];
  // Of 300 hosts and 15,000 ports, 10,000 in all.
  expect(Number(lost)).toBeGreaterThan(5000);
});
