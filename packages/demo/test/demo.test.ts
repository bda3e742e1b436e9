import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { RINGWAY, ROOT, start } from "../../../test/support/ringway.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";

function folders(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith("ringway-demo-"));
}

describe("ringway demo", () => {
  it("shows all that it promises, exits 0 and leaves nothing behind", { timeout: 90_000 }, async () => {
    const before = folders();
    const { code, stdout, stderr } = await start([process.execPath, RINGWAY, "demo"]).ended;
    expect(stderr).toBe("");
    expect(code, stdout).toBe(0);
    expect(stdout).toMatch(/a direct connection to the file server fails there: E|NOT shown here/);
    for (const rule of ["metadata", "trackers", "not-public", "path", "beneath", "default", "library"]) {
      expect(stdout).toMatch(new RegExp(`^  refused .*: rule ${rule}$`, "m"));
    }
    const table = stdout.slice(stdout.indexOf("┌"));
    const row = (what: string, ...cells: string[]): RegExp =>
      new RegExp(`│ ${[what, ...cells].join(" +│ +")} +│`);
    const time = "\\d+ ms";
    const rate = "[\\d.]+ MiB/s";
    expect(table).toMatch(row("direct connection from the guest", "", "", "", "\\S.*?"));
    expect(table).toMatch(row("guest fetched 256 MiB over HTTP", "256.0 MiB", time, rate));
    expect(table).toMatch(row("guest served 200 HTTP requests at once", "12.5 MiB", time, rate));
    expect(table).toMatch(row("guest wrote 101 files", "64.4 MiB", time, rate));
    expect(table).toMatch(row("guest read 101 files", "64.4 MiB", time, rate));
    expect(table).toMatch(row("guest was refused what the policy forbids", "", "", "", "9 of 9"));
    expect(stdout).toMatch(/All of it held, in [\d.]+ s\.\n$/);
    expect(folders()).toEqual(before);
  });

  it("clears up after Ctrl-C", { timeout: 30_000 }, async () => {
    const before = folders();
    const demo = start([process.execPath, RINGWAY, "demo"]);
    await expect.poll(() => demo.output, { timeout: 20_000, interval: 5 }).toContain("  monitor ");
    const monitor = Number(/monitor +process (\d+)/.exec(demo.output)![1]);
    demo.kill("SIGINT");
    expect(await demo.ended).toMatchObject({ code: 130, stderr: "\nringway: stopped by SIGINT\n" });
    expect(folders()).toEqual(before);
    await expect.poll(() => isRunning(monitor)).toBe(false);
  });

  it("ends with npm, where that is told to: `npm start`", { timeout: 90_000 }, async () => {
    const before = folders();
    const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    // All is set up here.
    const script = scripts.start
      .replace("node scripts/setup.mjs", "true")
      .replaceAll("packages/", `${ROOT}packages/`);
    const folder = temporaryFolder();
    writeFileSync(
      join(folder, "package.json"),
      JSON.stringify({ private: true, scripts: { start: script } }),
    );
    const npm = start(["npm", "start", "--no-update-notifier"], { cwd: folder });
    await expect.poll(() => npm.output, { timeout: 60_000, interval: 5 }).toContain("  monitor ");
    const monitor = Number(/monitor +process (\d+)/.exec(npm.output)![1]);
    npm.kill("SIGTERM");
    // Which is when nobody has its output open any more.
    await npm.ended;
    expect(npm.output).not.toContain("All of it held");
    await expect.poll(() => isRunning(monitor), { timeout: 10_000 }).toBe(false);
    await expect.poll(folders, { timeout: 10_000 }).toEqual(before);
  });

  it("says where the machine permits no namespace, and goes on", { timeout: 90_000 }, async () => {
    // Without a PATH there is no unshare.
    const { code, stdout } = await start([process.execPath, RINGWAY, "demo"], { env: { PATH: "/nowhere" } })
      .ended;
    expect(code).toBe(0);
    expect(stdout).toContain("this machine permits no network namespace (spawnSync unshare ENOENT)");
    expect(stdout).toMatch(/direct connection from the guest .* not shown │/);
  });
});

/** Neither gone nor a zombie that nobody has waited for. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
