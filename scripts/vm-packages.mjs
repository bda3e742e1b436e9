// What the tests in virtual machines need of the system, installed where it is missing. The guests' own parts are
// downloaded and unpacked below the cache, and never installed: test/vm/images.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

const PACKAGES = {
  curl: "curl",
  gcc: "gcc",
  lz4: "lz4",
  make: "make",
  mke2fs: "e2fsprogs",
  "musl-gcc": "musl-tools",
  "qemu-system-x86_64": "qemu-system-x86",
};
const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
const has = (command) => folders.some((folder) => existsSync(join(folder, command)));

export function installPackages() {
  if (process.arch !== "x64") fail("the guests are built for x86-64; this is another machine");
  const missing = Object.keys(PACKAGES)
    .filter((command) => !has(command))
    .map((command) => PACKAGES[command]);
  if (!existsSync("/usr/include/stdlib.h")) missing.push("libc6-dev");
  if (!has("apt-get")) fail(`needs Debian or a relative of it: there is no apt-get to get packages with`);
  if (missing.length === 0) return;
  if (process.getuid() !== 0) fail(`install these as root first: apt-get install ${missing.join(" ")}`);
  run("apt-get", "-qq", "update");
  run("apt-get", "-qq", "-y", "--no-install-recommends", "install", ...missing);
}

function run(command, ...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const { status, error } = spawnSync(command, args, { stdio: ["ignore", "inherit", "inherit"], env });
  if (error) throw error;
  if (status !== 0) fail(`${command} ${args.join(" ")} ended with ${status}`);
}

function fail(why) {
  process.stderr.write(`npm run test:vm: ${why}\n`);
  process.exit(1);
}
