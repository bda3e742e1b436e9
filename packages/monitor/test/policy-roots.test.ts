// Folders that no policy may give to a guest: what holds the monitor's own files, what lies on the kernel's file
// systems, and one folder under two accesses.

import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { restoreCapabilities, savedCapabilities } from "@ringway/linux";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { change, perform } from "../src/disk/operations.ts";
import { closeRoots, openRoots } from "../src/disk/roots.ts";
import { readPolicy } from "../src/loading/policy-file.ts";
import type { KeptPlace } from "../src/loading/root-problems.ts";
import { PolicyError, parsePolicy } from "../src/policy/index.ts";

let base: string;

beforeAll(() => {
  base = temporaryFolder("roots");
  for (const name of ["data", "etc", "run", "other"]) mkdirSync(join(base, name));
  symlinkSync("run", join(base, "link"));
});

const at = (...names: string[]): string => join(base, ...names);

/** What loading a policy of this text in ./etc complains of, without the file's name. */
function complaints(text: string, kept: KeptPlace[] = []): string[] {
  const path = at("etc/policy.yaml");
  writeFileSync(path, `version: 1\n${text}`);
  try {
    readPolicy(path, kept, () => {});
    return [];
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    return error.report().replaceAll(path, "policy").split("\n");
  }
}

const rule = (host: string, access = "rw", more = ""): string =>
  `  - { guest: /x${host.length}${access}, host: "${host}", access: ${access}${more} }\n`;

describe("a folder", () => {
  it("that holds the policy itself is refused, read-only or not", () => {
    const problem = "holds the policy (policy), which no guest may reach";
    for (const [host, access] of [
      [".", "rw"],
      [".", "ro"],
      ["..", "ro"],
    ] as const) {
      expect(complaints(`files:\n${rule(host, access)}`)).toEqual([
        expect.stringMatching(/^policy:3:\d+: files\[0\]\.host: /),
      ]);
      expect(complaints(`files:\n${rule(host, access)}`)[0]).toContain(problem);
    }
    expect(complaints(`files:\n${rule("../data")}${rule("../other", "ro")}`)).toEqual([]);
  });

  it("that holds the socket, a log, a VM's memory or doorbell is refused by any name, before they are there", () => {
    const kept = [{ what: "the attach socket", path: at("link/deeper/attach.sock") }];
    expect(complaints(`files:\n${rule("../run")}`, kept)[0]).toContain("holds the attach socket");
    expect(complaints(`files:\n${rule("../link", "ro")}`, kept)[0]).toContain("holds the attach socket");
    expect(complaints(`files:\n${rule("../data")}`, kept)).toEqual([]);
    symlinkSync(at("other/log"), at("run/log"));
    writeFileSync(at("other/log"), "");
    expect(
      complaints(`files:\n${rule("../other")}`, [{ what: "the log", path: at("run/log") }])[0],
    ).toContain("holds the log");
    const vms = `vms:\n  - { name: one, memory: ../run/one.mem, doorbell: ../other/one.sock }\n`;
    expect(complaints(`${vms}files:\n${rule("../run")}${rule("../other")}`)).toEqual([
      expect.stringContaining("holds the memory of VM one"),
      expect.stringContaining("holds the doorbell of VM one"),
    ]);
  });

  it("on one of the kernel's file systems is refused, and opened by nobody", () => {
    expect(complaints(`files:\n${rule("/proc")}${rule("/sys/kernel", "ro", ", crossMounts: true")}`)).toEqual(
      [
        expect.stringContaining('"/proc" lies on procfs, which no guest may reach'),
        expect.stringContaining('"/sys/kernel" lies on sysfs, which no guest may reach'),
      ],
    );
    const socket = "  - { guest: /run/a, host: /proc/a.sock, access: connect }\n";
    expect(complaints(`sockets:\n${socket}`)).toEqual([
      expect.stringContaining(
        'expected a socket in a folder of files; "/proc" lies on procfs, which no guest may reach',
      ),
    ]);
    const { files } = parsePolicy(`version: 1\nfiles:\n${rule("/proc/self")}`, { file: at("p.yaml") });
    const opened = openRoots(files, () => {});
    expect(opened.roots[0]).toMatchObject({ fd: -13, system: "procfs" });
    closeRoots(opened);
  });

  it("cannot be read-only by one rule and read-write by another", () => {
    expect(complaints(`files:\n${rule("../run")}${rule("../link", "ro")}`)).toEqual([
      expect.stringContaining("is the folder of files[0] too, which is rw: one folder cannot be both"),
    ]);
    // Should it become one after that, read-only holds.
    const text = `version: 1\nfiles:\n${rule("run")}${rule("link", "ro")}`;
    const roots = openRoots(parsePolicy(text, { file: at("policy.yaml") }).files, () => {});
    change({ kind: "add-tree", tree: 1, roots, hides: false });
    const place = { tree: 1, root: 0, path: "new", asFolder: false };
    expect(perform({ kind: "mkdir", ...place, mode: 0o755, parents: false })).toMatchObject({
      errno: 30,
      denied: { rule: "files[1]" },
    });
    expect(existsSync(at("run/new"))).toBe(false);
    change({ kind: "remove-tree", tree: 1 });
    closeRoots(roots);
    // One inside the other is what rules are for.
    mkdirSync(at("data/inner"));
    expect(complaints(`files:\n${rule("../data/inner", "ro")}${rule("../data")}`)).toEqual([]);
    expect(complaints(`files:\n${rule("../data/inner")}${rule("../data", "ro")}`)).toEqual([]);
  });

  it("xattrs are names with a dot, or what they begin with and a *", () => {
    const text = `version: 1\nfiles:\n${rule("/x", "rw", ', xattrs: [security.selinux, "trusted.a.*"]')}`;
    expect(parsePolicy(text, { file: "p.yaml" }).files[0]!.xattrs).toEqual([
      "security.selinux",
      "trusted.a.*",
    ]);
    for (const wrong of ["'*'", "selinux", "'a.*b'", "'a*.b'", "7"]) {
      const [complaint] = complaints(`files:\n${rule("../data", "rw", `, xattrs: [${wrong}]`)}`);
      expect(complaint).toContain("a name with a dot, or what it begins with and a *");
    }
  });

  it("crossMounts is true or false", () => {
    expect(complaints(`files:\n${rule("../data", "rw", ", crossMounts: yes please")}`)[0]).toContain(
      "crossMounts",
    );
    const text = `version: 1\nfiles:\n${rule("/x", "rw", ", crossMounts: true")}${rule("/yy")}`;
    const { files } = parsePolicy(text, { file: "p.yaml" });
    expect(files.map(({ crossMounts }) => crossMounts)).toEqual([true, false]);
  });
});

describe("an owner", () => {
  const owned = (uid: number, gid: number, access = "rw"): string =>
    `files:\n${rule("../data", access, `, owner: { uid: ${uid}, gid: ${gid} }`)}`;
  const own = [process.geteuid!(), process.getegid!()] as const;

  it("that this process may not make files of is refused, and its own user is not", () => {
    // As for any user: of the capabilities none is in force.
    const saved = savedCapabilities() as Uint8Array;
    const none = saved.slice();
    for (const at of [0, 12]) none.fill(0, at, at + 4);
    restoreCapabilities(none);
    try {
      expect(complaints(owned(...own))).toEqual([]);
      const problem = "has owner 4711:4712, and this process may make no files of theirs";
      expect(complaints(owned(4711, 4712))[0]).toContain(problem);
    } finally {
      restoreCapabilities(saved);
    }
    if (own[0] === 0) expect(complaints(owned(4711, 4712))).toEqual([]);
  });

  it("goes only with rw, and has both numbers", () => {
    expect(complaints(owned(...own, "ro"))[0]).toContain("files[0].owner: goes only with access: rw");
    for (const text of [
      "5",
      "{ uid: 5 }",
      "{ uid: -1, gid: 0 }",
      "{ uid: 4294967295, gid: 0 }",
      "{ uid: a, gid: 0 }",
    ]) {
      const [first, ...others] = complaints(`files:\n${rule("../data", "rw", `, owner: ${text}`)}`);
      expect([text, first?.includes("files[0].owner"), others]).toEqual([text, true, []]);
    }
  });
});
