// What tests need of the system beside what `npm test` does, installed where it is missing.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
const has = (command) => folders.some((folder) => existsSync(join(folder, command)));

/** `packages` has Debian's package for each command, and `who` asks. */
export function installPackages(packages, who) {
  const fail = (why) => {
    process.stderr.write(`${who}: ${why}\n`);
    process.exit(1);
  };
  const missing = Object.keys(packages)
    .filter((command) => !has(command))
    .map((command) => packages[command]);
  if (!existsSync("/usr/include/stdlib.h")) missing.push("libc6-dev");
  if (!has("apt-get")) fail(`needs Debian or a relative of it: there is no apt-get to get packages with`);
  if (missing.length === 0) return;
  if (process.getuid() !== 0) fail(`install these as root first: apt-get install ${missing.join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  for (const words of [["update"], ["-y", "--no-install-recommends", "install", ...missing]]) {
    const { status, error } = spawnSync("apt-get", ["-qq", ...words], {
      stdio: ["ignore", "inherit", "inherit"],
      env,
    });
    if (error) throw error;
    if (status !== 0) fail(`apt-get ${words.join(" ")} ended with ${status}`);
  }
}
