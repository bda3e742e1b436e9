// ringway monitor --audit: what is refused is in the audit file, whatever that is and does, and where it must be
// (audit: required) guests wait for it. Each test has a monitor of its own and waits more than it works, so they run at
// the same time.

import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { LogLine } from "../../../test/support/processes.ts";
import { echoServer } from "../../../test/support/tcp.ts";
import { until } from "../../../test/support/wait.ts";
import { endOf, FLOOD_POLICY, LoggingHome, linesOf, POLICY, readSome, refuse } from "./logging-home.ts";

describe("ringway monitor --audit", { concurrent: true }, () => {
  const auditLines = (path: string): LogLine[] => linesOf(readFileSync(path, "utf8"));
  const refusedLines = (path: string): LogLine[] =>
    auditLines(path).filter(({ audit }) => audit === "refused");

  it("appends audit lines, and no others, to a file that it makes for its owner", async () => {
    await using home = new LoggingHome();
    const audit = join(home.folder, "audit");
    const monitor = await home.serve({
      redirect: "2>stderr",
      args: ["--audit", audit, "--log-level", "error"],
    });
    const guest = await home.attach();
    await refuse(guest);
    await until("audit lines", () => auditLines(audit).length === 1);
    expect(auditLines(audit)[0]).toMatchObject({ audit: "refused", what: "192.0.2.1:80", rule: "default" });
    expect(statSync(audit).mode & 0o777).toBe(0o600);
    expect(await endOf(monitor)).toBe(0);
    expect(readFileSync(join(home.folder, "stderr"), "utf8")).toBe("");
    rmSync(home.path, { force: true });

    const again = await home.serve({ args: ["--audit", audit] });
    await refuse(await home.attach());
    expect(await endOf(again)).toBe(0);
    expect(auditLines(audit)).toHaveLength(2);
  });

  it("goes on in a new file on SIGHUP, or stays with the old one and says so", async () => {
    await using home = new LoggingHome();
    const logs = join(home.folder, "logs");
    mkdirSync(logs);
    const audit = join(logs, "audit");
    const monitor = await home.serve({ redirect: "2>stderr", args: ["--audit", audit] });
    const said = (): string => readFileSync(join(home.folder, "stderr"), "utf8");
    const guest = await home.attach();
    await refuse(guest);
    await until("audit lines", () => auditLines(audit).length === 1);
    renameSync(audit, `${audit}.1`);
    monitor.kill("SIGHUP");
    await until("the new file", () => existsSync(audit));
    await refuse(guest);
    await until("audit lines", () => refusedLines(audit).length === 1);
    expect(auditLines(`${audit}.1`)).toHaveLength(1);
    const changed = await until("its line", () => auditLines(audit).find((line) => line.audit === "changed"));
    expect(changed).toMatchObject({ action: "policy", revision: 2, by: { via: "signal" } });
    const anew = `"file":"${audit}","msg":"the audit file was opened anew"`;
    await until("the line", () => said().includes(anew));

    renameSync(logs, `${logs}-moved`);
    monitor.kill("SIGHUP");
    await until("the error", () => /"level":"error".*the audit file stays as it was: .*ENOENT/.test(said()));
    await refuse(guest);
    await until("audit lines", () => refusedLines(join(`${logs}-moved`, "audit")).length === 2);
    expect(await endOf(monitor)).toBe(0);
  });

  it("does not start where the file cannot be opened: one line, exit 1, no socket", async () => {
    await using home = new LoggingHome();
    const args = ["monitor", "--policy", "policy.yaml", "--listen", "s", "--audit", "nowhere/audit"];
    const { code, stdout, stderr } = await home.run(...args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toBe(
      "ringway: cannot open the audit file nowhere/audit: its folder does not exist; make it first (ENOENT)\n",
    );
    expect(readdirSync(home.folder)).toEqual(["policy.yaml"]);
  });

  it("is no guest's to read or write: a policy with a folder that holds it is refused", async () => {
    await using home = new LoggingHome(`${POLICY}files: [{ guest: /, host: shared, access: ro }]\n`);
    mkdirSync(join(home.folder, "shared"));
    const args = ["monitor", "--policy", "policy.yaml", "--listen", "s", "--audit", "shared/audit"];
    const { code, stderr } = await home.run(...args);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^policy.yaml:4:\d+: files\[0\].host: .*the audit file/);
  });

  it("is needed where the policy says audit: required", async () => {
    await using home = new LoggingHome(`${POLICY}audit: required\n`);
    const args = ["monitor", "--policy", "policy.yaml", "--listen", "s"];
    const { code, stderr } = await home.run(...args);
    expect(code).toBe(1);
    expect(stderr).toBe(
      "ringway: the policy says audit: required, and there is no audit file (--audit FILE)\n",
    );
  });
});

describe("audit: required", { concurrent: true }, () => {
  const REQUIRED = `${FLOOD_POLICY}audit: required\naudited: refusals\n`;

  it("lets a guest wait behind a line that cannot be written, nobody else, and loses none", async () => {
    await using home = new LoggingHome(REQUIRED);
    const fifo = join(home.folder, "audit");
    execFileSync("mkfifo", [fifo]);
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    using _reader = { [Symbol.dispose]: () => closeSync(reader) };
    const monitor = await home.serve({ redirect: "2>stderr", args: ["--audit", fifo] });
    const wicked = await home.attach();
    const good = await home.attach();
    let asked = 0;
    let stopped = false;
    const flooding = (async () => {
      while (!stopped) {
        await refuse(wicked, `192.0.2.${asked++ % 250}`);
      }
    })();
    const said = (): string => readFileSync(join(home.folder, "stderr"), "utf8");
    await until(
      "the error",
      () => /"level":"error".*audit lines cannot be written: EAGAIN/.test(said()),
      20_000,
    );
    await until("the guest to be held, for half a second", async () => {
      const heldAt = asked;
      await new Promise((resolve) => setTimeout(resolve, 500));
      return asked === heldAt;
    });
    await using server = await echoServer();
    const stream = await good.connect(server.port, "localhost");
    good.log("not disturbed", "warn");
    await good.ping();
    stream.destroy();

    stopped = true;
    const text = readSome(reader, 2000);
    await flooding;
    const lines = linesOf(await text);
    expect(lines.map(({ what }) => what)).toEqual(
      Array.from({ length: asked }, (_, i) => `192.0.2.${i % 250}:80`),
    );
    expect(said()).toMatch(/audit lines are written again/);
    expect(await endOf(monitor)).toBe(0);
  });

  it("keeps nobody from ending: SIGTERM is heeded while guests wait, and lines that were not written are counted", async () => {
    await using home = new LoggingHome(REQUIRED);
    const monitor = await home.serve({
      redirect: "2>stderr",
      args: ["--audit", "/dev/full", "--drain-ms", "200"],
    });
    const guest = await home.attach();
    void refuse(guest).catch(() => {});
    const said = (): string => readFileSync(join(home.folder, "stderr"), "utf8");
    await until("the error", () => said().includes("audit lines cannot be written: ENOSPC"), 10_000);
    expect(await endOf(monitor)).toBe(0);
    expect(said()).toMatch(/"msg":"1 audit lines were not written"/);
  });
});

it.concurrent("says at the end how many audit lines were not written, all of them: what found no room, and what waited still", async () => {
  await using home = new LoggingHome(FLOOD_POLICY);
  const monitor = await home.serve({
    redirect: "2>stderr",
    args: ["--audit", "/dev/full", "--drain-ms", "200"],
  });
  const guest = await home.attach();
  const REFUSALS = 5500;
  for (let i = 0; i < REFUSALS; i += 100) {
    await Promise.all(Array.from({ length: 100 }, () => refuse(guest)));
  }
  expect(await endOf(monitor)).toBe(0);
  const said = linesOf(readFileSync(join(home.folder, "stderr"), "utf8"));
  expect(said.find(({ msg }) => / audit lines were not written$/.test(msg))).toMatchObject({
    lines: REFUSALS,
  });
});
