// Debian's packages as files: apt downloads and unpacks, and installs nothing. No script of theirs runs; no root.

import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { run } from "./run.ts";

export const WITHOUT_LOCKS: readonly string[] = ["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root"];

/** The version that would be installed: "name=version". */
export function candidate(name: string): string {
  return withLists(() => {
    const about = run("apt-cache", ["show", "--no-all-versions", name]).toString();
    const version = /^Version: (\S+)$/m.exec(about)?.[1];
    if (version === undefined) throw new Error(`apt knows no package ${name}`);
    return `${name}=${version}`;
  });
}

/** The package that a metapackage stands for: "name=version". */
export function behind(metapackage: string, pattern: RegExp): string {
  return withLists(() => {
    const about = run("apt-cache", ["show", "--no-all-versions", metapackage]).toString();
    const depends = /^Depends: (.*)$/m.exec(about)?.[1] ?? "";
    for (const each of depends.split(", ")) {
      const [, name, version] = /^(\S+) \(= (\S+)\)$/.exec(each) ?? [];
      if (name !== undefined && pattern.test(name)) return `${name}=${version}`;
    }
    throw new Error(`${metapackage} depends on ${depends}: none of them matches ${pattern}`);
  });
}

/** Unpacks one package alone. */
export function unpackOne(nameAndVersion: string, root: string, temporary: string): void {
  mkdirSync(temporary, { recursive: true });
  withLists(() => run("apt-get", ["-qq", ...WITHOUT_LOCKS, "download", nameAndVersion], { cwd: temporary }));
  run("dpkg", ["-x", join(temporary, readdirSync(temporary)[0]!), root]);
}

let updated = false;

/** apt's lists may be missing, as in a new container, or name packages that are gone. */
export function withLists<T>(attempt: () => T): T {
  try {
    return attempt();
  } catch (error) {
    if (updated) throw error;
    updated = true;
    run("apt-get", ["-qq", "update"]);
    return attempt();
  }
}
