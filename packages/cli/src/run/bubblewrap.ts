// bubblewrap (bwrap), which makes the namespaces: is it there, is it new enough, and what to do where the machine lets
// nobody make any. The version is asked for where it fails, since to ask takes as long as half of a start.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { Failure, NOT_RUN } from "../errors.ts";
import { findProgram } from "./programs.ts";

const PROGRAM = "bwrap";
/** --info-fd, --args and --as-pid-1 are older. */
const LEAST = [0, 4, 0] as const;
const GET_IT = "install the package bubblewrap of your distribution";

/** Its path. Throws Failure, with what to do, where it is not there. */
export function findBubblewrap(path?: string): string {
  const program = findProgram(PROGRAM, path);
  if (program === undefined) throw cannot(`there is no ${PROGRAM} in any folder of PATH; ${GET_IT}`);
  return program;
}

/** It has failed: throws Failure where it is too old, or no bubblewrap. */
export function requireVersion(program: string): void {
  const { stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
  const version = /^bubblewrap (\d+)\.(\d+)\.(\d+)/
    .exec(stdout ?? "")
    ?.slice(1)
    .map(Number);
  if (version === undefined) throw cannot(`${program} --version does not say a version of bubblewrap`);
  const at = LEAST.findIndex((part, i) => version[i] !== part);
  if (at >= 0 && version[at]! < LEAST[at]!) {
    throw cannot(`bubblewrap is ${version.join(".")}, and ${LEAST.join(".")} or later is wanted; ${GET_IT}`);
  }
}

export function cannot(detail: string): Failure {
  return new Failure(`cannot shut the program in: ${detail}`, { exitCode: NOT_RUN });
}

/** Settings of a machine that keep its users from namespaces: the value that does, and what allows them. */
const SETTINGS: readonly (readonly [path: string, forbids: string, allow: string])[] = [
  ["/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"],
  ["/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"],
  [
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    "1",
    "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
  ],
];

/** What `text`, the last words of bwrap's or of the agent's inside, comes from, as far as that can be told. */
export function whyNot(text: string, read: (path: string) => string = readSetting): string {
  const setting = SETTINGS.find(([path, forbids]) => read(path) === forbids);
  const said = text.trim().split("\n").at(-1) ?? "";
  if (setting === undefined) return said === "" ? "it ended without a word" : said;
  const [path, forbids, allow] = setting;
  return `${said} (${path} is ${forbids}: this machine lets no user make namespaces; root allows it by: ${allow})`;
}

function readSetting(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}
