// Debian's packages as files: resolved by apt as for an empty machine, downloaded, unpacked; never installed, so no script of theirs
// runs and root is not needed.

import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { run } from "./run.ts";

const NOTHING_INSTALLED = ["-o", "Dir::State::status=/dev/null"];
const WITHOUT_LOCKS = ["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root"];

/** File names, with versions, of the packages and all that they need: equal lists are equal packages. */
export function closureOf(packages: readonly string[]): string[] {
  return withLists(() => {
    const uris = run("apt-get", [...install(), "--print-uris", ...packages]);
    // 'address' file name bytes checksum
    return [...uris.toString().matchAll(/^'\S+' (\S+\.deb) /gm)].map((match) => match[1]!).sort();
  });
}

/** Downloads the closure of `packages` and unpacks it all below `root`, where /bin and its like are links into /usr. */
export function unpackClosure(packages: readonly string[], root: string, temporary: string): void {
  mkdirSync(join(temporary, "partial"), { recursive: true });
  const here = ["-o", `Dir::Cache::archives=${temporary}`, ...WITHOUT_LOCKS];
  withLists(() => run("apt-get", [...install(), ...here, "--download-only", ...packages]));
  for (const name of readdirSync(temporary).filter((name) => name.endsWith(".deb"))) {
    const files = run("dpkg-deb", ["--fsys-tarfile", join(temporary, name)]);
    run("tar", ["-x", "--keep-directory-symlink", "--no-same-owner", "-C", root], { input: files });
  }
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

function install(): string[] {
  return ["-qq", "-y", "--no-install-recommends", ...NOTHING_INSTALLED, "install"];
}

let updated = false;

/** apt's lists may be missing, as in a new container, or name packages that are gone. */
function withLists<T>(attempt: () => T): T {
  try {
    return attempt();
  } catch (error) {
    if (updated) throw error;
    updated = true;
    run("apt-get", ["-qq", "update"]);
    return attempt();
  }
}
