// Debian's packages as files: resolved by apt as for an empty machine, downloaded, unpacked; never installed, so no
// script of theirs runs and root is not needed.

import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { run, WITHOUT_LOCKS, withLists } from "@ringway/vm-image";

const NOTHING_INSTALLED = ["-o", "Dir::State::status=/dev/null"];

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

function install(): string[] {
  return ["-qq", "-y", "--no-install-recommends", ...NOTHING_INSTALLED, "install"];
}
