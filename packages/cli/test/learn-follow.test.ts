// What is learned as it is asked for: ringway policy learn --follow, and ringway monitor --learn.

import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Guest } from "@ringway/guest";
import { AdminClient, PolicyMatcher, parsePolicy } from "@ringway/monitor";
import { expect, it, onTestFinished } from "vitest";
import { LOADED_MS } from "../../../test/support/processes.ts";
import { Home, RINGWAY, start } from "../../../test/support/ringway.ts";
import { echoServer } from "../../../test/support/tcp.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { until } from "../../../test/support/wait.ts";
import { inProcess } from "./in-process.ts";

const TIME = "2026-11-27T10:00:00.000Z";
const refused = (host: string): string =>
  `${JSON.stringify({ time: TIME, audit: "refused", guest: "web-1", protocol: "tcp-connect", what: `${host}:443`, rule: "default" })}\n`;

/** Once it is there, whole, with all of these. */
function written(file: string, ...parts: readonly (string | RegExp)[]): Promise<string> {
  const look = (): string | undefined => {
    try {
      const text = readFileSync(file, "utf8");
      parsePolicy(text, { file });
      const isThere = (part: string | RegExp): boolean =>
        typeof part === "string" ? text.includes(part) : part.test(text);
      return parts.every(isThere) ? text : undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  };
  return until(`${parts} in ${file}`, look, LOADED_MS);
}

it("policy learn --follow goes on with what comes, also in a file that takes its name, and ends by a signal", async () => {
  const folder = temporaryFolder("follow");
  const [audit, output] = [join(folder, "audit"), join(folder, "learned.yaml")];
  writeFileSync(audit, refused("a.example"));
  const learn = ["policy", "learn", "--from", audit, "--follow", "--output", output];
  const program = start([process.execPath, RINGWAY, ...learn]);
  await written(output, "a.example");
  // Half of a line, and its other half behind the move.
  const line = refused("b.example");
  appendFileSync(audit, line.slice(0, 30));
  renameSync(audit, `${audit}.1`);
  appendFileSync(`${audit}.1`, line.slice(30));
  await written(output, "a.example", "b.example");
  writeFileSync(audit, refused("c.example"));
  await written(output, "a.example", "b.example", "c.example");
  program.kill("SIGINT");
  expect(await program.ended).toMatchObject({ code: 0, stdout: "", stderr: "" });
  expect(readdirSync(folder).toSorted()).toEqual(["audit", "audit.1", "learned.yaml"]);
  const same = await inProcess("policy", "learn", "--from", audit, "--output", join(folder, ".", "audit"));
  expect(same).toMatchObject({ code: 2, stderr: expect.stringContaining("is what is learned from") });
});

it("monitor --learn allows what no rule denies, says so, and writes what was asked for", async () => {
  const policy = "version: 1\nconnect: [{ id: no, deny: 192.0.2.0/24 }]\naudited: refusals\n";
  await using home = new Home(policy);
  await using server = await echoServer();
  const [audit, learned] = [join(home.folder, "audit"), join(home.folder, "learned.yaml")];
  const monitor = await home.ready(["--audit", audit, "--learn", learned]);
  expect(await monitor.logged("LEARNING: ")).toMatchObject({ level: "warn", learn: learned });
  const guest = await Guest.attach(home.path);
  onTestFinished(() => guest.close());
  const listener = await guest.listen(0, "127.0.0.1");
  await new Promise((done) => listener.close(done));
  // Of the host itself nothing is allowed, and all is learned; what a rule denies is neither.
  await expect(guest.connect(server.port, "127.0.0.1")).rejects.toMatchObject({ rule: "default" });
  await expect(guest.connect(25, "192.0.2.1")).rejects.toMatchObject({ rule: "no" });
  const text = await written(learned, /allow: 127\.0\.0\.1, ports: 0 \}/, `ports: ${server.port}`, "deny: ");
  expect(text).not.toContain("192.0.2.1");
  expect(text).toContain("audited: refusals");
  expect(statSync(learned).mode & 0o777).toBe(0o600);
  chmodSync(learned, 0o640);
  // A policy that is read again is learned beside, and what was asked for before is known still.
  home.policy = policy.replace(
    "[{ id: no, deny: 192.0.2.0/24 }]",
    `[{ id: web, allow: 127.0.0.1, ports: ${server.port} }]`,
  );
  // As logrotate does it: what was learned of the old file is known still.
  renameSync(audit, `${audit}.1`);
  monitor.kill("SIGHUP");
  await until("the second word", () => monitor.log.filter(({ learn }) => learn === learned).length === 2);
  const socket = await guest.connect(server.port, "127.0.0.1");
  socket.destroy();
  await guest.close();
  monitor.kill("SIGTERM");
  expect((await monitor.ended).code).toBe(0);
  expect(statSync(learned).mode & 0o777).toBe(0o640);
  const last = parsePolicy(readFileSync(learned, "utf8"), { file: learned });
  const matcher = new PolicyMatcher(last);
  expect(matcher.connectAddress("127.0.0.1", server.port).allowed).toBe(true);
  expect(matcher.connectAddress("127.0.0.1", server.port === 1 ? 2 : 1).allowed).toBe(false);
  expect(last.listen.map(({ networks, ports }) => [networks, ports])).toEqual([
    [["127.0.0.1"], [{ first: 0, last: 0 }]],
  ]);
});

it("monitor --learn wants an audit file, and another file than the policy's", async () => {
  const folder = temporaryFolder("learn");
  const policy = join(folder, "policy.yaml");
  writeFileSync(policy, "version: 1\n");
  const args = ["monitor", "--policy", policy, "--listen", join(folder, "s")];
  const none = await start([process.execPath, RINGWAY, ...args, "--learn", join(folder, "l")]).ended;
  expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining("--learn goes with --audit FILE") });
  const same = ["--audit", join(folder, "audit"), "--learn", policy];
  const own = await start([process.execPath, RINGWAY, ...args, ...same]).ended;
  expect(own).toMatchObject({ code: 2, stderr: expect.stringContaining("is what is learned from") });
  // Nobody has a wide policy for nothing.
  const nowhere = ["--audit", join(folder, "audit"), "--learn", join(folder, "none", "l")];
  const lost = await start([process.execPath, RINGWAY, ...args, ...nowhere]).ended;
  expect(lost).toMatchObject({ code: 1, stderr: expect.stringContaining("/none/l: ENOENT") });
  expect(lost.stderr).not.toContain("is ready");
});

it("monitor --learn goes on where FILE cannot be written for a time, and under a policy of the operator's", async () => {
  await using home = new Home("version: 1\n");
  const [audit, learned, socket] = ["audit", "learned.yaml", "admin"].map((name) => join(home.folder, name));
  const monitor = await home.ready(["--audit", audit!, "--learn", learned!, "--admin", socket!]);
  await written(learned!, "no audit line");
  rmSync(learned!);
  mkdirSync(learned!);
  const guest = await Guest.attach(home.path);
  onTestFinished(() => guest.close());
  await expect(guest.connect(9, "127.0.0.1")).rejects.toMatchObject({ rule: "default" });
  expect(await monitor.logged("what is asked for is not in")).toMatchObject({
    level: "error",
    learn: learned,
  });
  rmdirSync(learned!);
  await written(learned!, "allow: 127.0.0.1, ports: 9 }");
  using client = new AdminClient({ socket: socket! });
  await client.putPolicy("version: 1\nconnect: [{ id: no, deny: 127.0.0.1, ports: 9 }]\n");
  expect(await monitor.logged("the operator's policy")).toMatchObject({ level: "warn", learn: learned });
  // It denies what was learned, and what it refuses beside is learned.
  await expect(guest.connect(25, "203.0.113.1")).rejects.toMatchObject({ rule: "default" });
  const text = await written(learned!, "allow: 203.0.113.1, ports: 25 }", /deny: \[.*127\.0\.0\.1/);
  expect(text).not.toContain("allow: 127.0.0.1, ports: 9");
});

it("monitor --learn ends and leaves FILE as it was, where the audit file is longer than it has read", async () => {
  await using home = new Home("version: 1\n");
  const [audit, learned] = [join(home.folder, "audit"), join(home.folder, "learned.yaml")];
  writeFileSync(audit, "");
  truncateSync(audit, 2 ** 36);
  writeFileSync(learned, "version: 1 # of before\n");
  const monitor = await home.ready(["--audit", audit, "--learn", learned]);
  monitor.kill("SIGTERM");
  expect((await monitor.ended).code).toBe(0);
  expect(await monitor.logged("the rest of")).toMatchObject({ level: "warn", learn: learned });
  expect(readFileSync(learned, "utf8")).toBe("version: 1 # of before\n");
});
