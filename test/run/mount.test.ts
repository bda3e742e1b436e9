// ringway run --files mount: the policy's folders, each use of which the monitor judges.

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { BUILD_MS } from "../agent/agent.ts";
import { titled } from "../native/toolchain.ts";
import { heldForAll } from "../support/held.ts";
import { LOADED_MS, MonitorProgram } from "../support/processes.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";
import { buildStaticAgent, FIXTURES, Inside, noRun, startRun } from "./inside.ts";
import { triesToGetOut } from "./ways-out.ts";

const noMount = noRun ?? (existsSync("/dev/fuse") ? undefined : "no /dev/fuse");

describe.skipIf(noMount !== undefined)(titled("ringway run --files mount", noMount), () => {
  let folder: string;
  let audit: string;
  let inside: Inside;
  const hold = heldForAll();

  beforeAll(async () => {
    buildStaticAgent();
    folder = realpathSync(temporaryFolder("run-mount"));
    audit = join(folder, "audit.log");
    for (const name of ["data", "work", "work/fixed"]) mkdirSync(join(folder, name));
    writeFileSync(join(folder, "data/greeting.txt"), "a file of the host\n");
    const policy = join(folder, "policy.yaml");
    writeFileSync(policy, rules(`${FIXTURES}, access: ro }\n`));
    inside = hold(await Inside.start(["--policy", policy, "--files", "mount", "--audit", audit]));
  }, BUILD_MS);

  /** `more` goes on after the folder of the first rule. */
  const rules = (more: string): string => `version: 1
files:
  - { guest: /data, host: ./data, access: ro }
  - { guest: /project/fixed, host: ./work/fixed, access: ro }
  - { guest: /project, host: ./work, access: rw }
  - { guest: /fixtures, host: ${more}`;
  const audited = (what: string): Record<string, unknown>[] =>
    readFileSync(audit, "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((line) => line.what === what);

  test("a program reads and writes in the policy's folders, and what it makes is its own", async () => {
    expect((await inside.run("cat", "/data/greeting.txt")).out).toBe("a file of the host\n");
    const script =
      "cd /project; mkdir made; echo new > made/file; mv made/file made/other; id -u; stat -c %u made/other";
    const { code, out, err } = await inside.run("sh", "-c", script);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(readFileSync(join(folder, "work/made/other"), "utf8")).toBe("new\n");
    expect(out).toBe(`${process.getuid!()}\n`.repeat(2));
    expect((await inside.run("stat", "-f", "-c", "%T", "/project")).out).toMatch(/^fuse/);
  });

  test("what the policy gives to read is EROFS to a writer, with a line in the audit log and one on stderr", async () => {
    for (const path of ["/data/new", "/project/fixed/new"]) {
      const { code, err } = await inside.run("sh", "-c", `echo new > ${path}`);
      expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining("Read-only file system") });
      const [line] = await until(`${path} in the audit log`, () => {
        const found = audited(path);
        return found.length > 0 && found;
      });
      expect(line).toMatchObject({ audit: "refused", errno: "EROFS" });
      await until(`${path} on stderr`, () =>
        inside.program.errors
          .split("\n")
          .some((text) => /^ringway: refused: /.test(text) && text.includes(path)),
      );
    }
    expect(readdirSync(join(folder, "work/fixed"))).toEqual([]);
  });

  test("what is not the policy's is not there", async () => {
    expect((await inside.run("ls", folder)).err).toContain("No such file or directory");
    expect((await inside.run("sh", "-c", "ls -d /project/..; ls /ringway-mounts")).err).toContain(
      "No such file",
    );
  });

  test("the quota of the policy holds, and a folder of another monitor's is mounted as well", async () => {
    const socket = join(folder, "attach.sock");
    const text = `version: 1\nfiles: [{ guest: /project, host: ${join(folder, "work")}, access: rw }]\n`;
    hold(await MonitorProgram.start(socket, `${text}limits: { fileBytesWritten: 1MiB }\n`));
    const policy = join(folder, "attached.yaml");
    writeFileSync(policy, text);
    const write = `
import errno
try:
  with open("/project/much", "wb", buffering=0) as f:
    for _ in range(64): f.write(bytes(32 * 1024))
except OSError as e: print(errno.errorcode[e.errno])`;
    const options = ["--attach", socket, "--policy", policy, "--files", "mount"];
    const { code, stdout, stderr } = await startRun(options, ["python3", "-c", write], { input: "" }).ended;
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "EDQUOT\n", stderr: "" });
    expect(statSync(join(folder, "work/much")).size).toBe(1024 * 1024);
  });

  test("killed with files open it leaves no mount, and no process that waits for one", async () => {
    const temporary = join(folder, "killed");
    mkdirSync(temporary);
    const policy = join(folder, "killed.yaml");
    writeFileSync(policy, rules(`${FIXTURES}, access: ro }\n`));
    const mark = `mark_${process.pid}_mounted`;
    using program = startRun(
      ["--policy", policy, "--files", "mount"],
      ["sh", "-c", `exec 3> /project/held; echo up; read ${mark}; :`],
      { env: { TMPDIR: temporary } },
    );
    await program.line("up", LOADED_MS);
    const ofRun = (): string[] =>
      readdirSync("/proc").filter((name) => commandLine(name).includes(temporary));
    const ofProgram = (): string[] => readdirSync("/proc").filter((name) => commandLine(name).includes(mark));
    expect(ofProgram().length).toBeGreaterThan(1);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(temporary);
    program.kill("SIGKILL");
    await until("all of it to end", () => ofProgram().length === 0 && ofRun().length === 0);
    rmSync(temporary, { recursive: true });
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(temporary);
  });

  test("TMPDIR may be relative", async () => {
    mkdirSync(join(folder, "relative"));
    const policy = join(folder, "relative.yaml");
    writeFileSync(policy, rules(`${FIXTURES}, access: ro }\n`));
    const options = ["--policy", policy, "--files", "mount"];
    const ended = startRun(options, ["cat", "/data/greeting.txt"], {
      input: "",
      cwd: folder,
      env: { TMPDIR: "relative" },
    }).ended;
    expect(await ended).toEqual({ code: 0, stdout: "a file of the host\n", stderr: "" });
  });

  triesToGetOut(() => inside, hold, "EPERM");

  test("a rule for / cannot be mounted, and says so", async () => {
    const policy = join(folder, "root.yaml");
    writeFileSync(policy, `version: 1\nfiles: [{ id: all, guest: /, host: ./data, access: ro }]\n`);
    const { code, stderr } = await startRun(["--policy", policy, "--files", "mount"], ["true"]).ended;
    expect({ code, stderr }).toEqual({
      code: 125,
      stderr:
        "ringway: cannot shut the program in: files rule all: / cannot be one of the policy's folders here\n",
    });
  });
});

function commandLine(process: string): string {
  try {
    return /^\d+$/.test(process) ? readFileSync(`/proc/${process}/cmdline`, "utf8") : "";
  } catch {
    return "";
  }
}
