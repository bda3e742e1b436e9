// Runs tests with another version of Node: `node scripts/test-node.mjs 26 packages/linux test/files`, all of them
// without names of folders. Node comes from npm, pinned here, and stays in $RINGWAY_CACHE, or `ringway` in
// $XDG_CACHE_HOME or ~/.cache.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The newest of the versions that Node's makers support for long, and the newest of all. */
const VERSIONS = {
  24: {
    version: "24.21.0",
    x64: "sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==",
    arm64: "sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==",
  },
  26: {
    version: "26.10.0",
    x64: "sha512-OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==",
    arm64: "sha512-idArV/cmqW9M9ODyGlbOIiyxFourDh1mJB0SdKCdMbSZjjef9CLEN3o1/eE4yf+B0+5BD+F74MpTTHiB3XXTBQ==",
  },
};

const [asked, ...tests] = process.argv.slice(2);
const pinned = VERSIONS[asked];
if (pinned?.[process.arch] === undefined) {
  process.stderr.write(`usage: node scripts/test-node.mjs ${Object.keys(VERSIONS).join("|")} [TESTS...]\n`);
  process.exit(2);
}
const root = fileURLToPath(new URL("..", import.meta.url));
const { RINGWAY_CACHE, XDG_CACHE_HOME } = process.env;
const cache = RINGWAY_CACHE || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "ringway");
const folder = join(cache, `node-${pinned.version}`);
if (!existsSync(folder)) download(pinned.version, pinned[process.arch]);
// Programs that tests start by name, and what these start, are of that version as well.
const bin = join(folder, "package/bin");
const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
const { status, signal, error } = spawnSync(join(bin, "node"), [join(root, "scripts/test.mjs"), ...tests], {
  cwd: root,
  env,
  stdio: ["ignore", "inherit", "inherit"],
});
if (error) throw error;
process.exit(signal ? 1 : status);

function download(version, integrity) {
  mkdirSync(cache, { recursive: true });
  const temporary = mkdtempSync(join(cache, ".node-"));
  try {
    execFileSync("npm", ["pack", "--silent", `node-linux-${process.arch}@${version}`], { cwd: temporary });
    const [archive] = readdirSync(temporary);
    const bytes = readFileSync(join(temporary, archive));
    const found = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
    if (found !== integrity) throw new Error(`${archive} is ${found}, and not ${integrity}`);
    execFileSync("tar", ["-xzf", archive, "package/bin", "package/LICENSE"], { cwd: temporary });
    rmSync(join(temporary, archive));
    renameSync(temporary, folder);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
