// ringway ps, top, kill and policy put, diff and history, on a real monitor with a real guest.

import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Guest } from "@ringway/guest";
import type { GuestStatus, PolicyChange, StreamStatus } from "@ringway/monitor";
import { beforeAll, describe, expect, it } from "vitest";
import { inProcess } from "../../packages/cli/test/in-process.ts";
import { heldForAll } from "../support/held.ts";
import { Home, RINGWAY, ringway, start } from "../support/ringway.ts";
import { echoServer, type TestServer } from "../support/tcp.ts";

const hold = heldForAll();
let home: Home;
let socket: string;
let web: Guest;
let echo: TestServer;

const LOCAL = "version: 1\nconnect:\n  - { id: local, allow: 127.0.0.1 }\n";
beforeAll(async () => {
  home = hold(new Home(LOCAL));
  socket = join(home.folder, "admin.sock");
  const listen = `web=${join(home.folder, "web.sock")},label=team=a`;
  await home.ready(["--admin", socket, "--listen", listen]);
  echo = hold(await echoServer());
  web = hold(await Guest.attach(join(home.folder, "web.sock")));
});

const admin = (...args: string[]) => inProcess(...args, "--admin", socket);
const connected = async () => await web.connect({ host: "127.0.0.1", port: echo.port });

describe("ringway ps", () => {
  it("lists guests, for people and as JSON, as a command of its own", async () => {
    const { code, stdout } = await ringway("ps", "--admin", socket);
    expect(code).toBe(0);
    const [titles, first] = stdout.split("\n");
    expect(titles).toMatch(/^ID +NAME +PID +STATE +AGE +STREAMS +TO HOST +TO GUEST +LABELS$/);
    expect(first).toMatch(new RegExp(`^ *1 +web-1 +${process.pid} +attached +.* team=a$`));
    const json = await admin("ps", "web-1", "--json");
    expect(JSON.parse(json.stdout) as GuestStatus[]).toMatchObject([
      { name: "web-1", labels: { team: "a" } },
    ]);
  });

  it("lists streams, each with its target and rule", async () => {
    const stream = await connected();
    const { stdout } = await admin("ps", "--streams", "web-1");
    expect(stdout).toMatch(
      new RegExp(`^1-\\d+-\\d+ +web-1 +tcp-connect +running .* local +127.0.0.1:${echo.port} at `, "m"),
    );
    const all = JSON.parse((await admin("ps", "--streams", "--json")).stdout) as StreamStatus[];
    expect(all).toContainEqual(expect.objectContaining({ guest: "web-1", rule: "local" }));
    stream.destroy();
  });

  it("says where no monitor is, and that a guest is not there", async () => {
    expect(await inProcess("ps", "--admin", join(home.folder, "none"))).toMatchObject({
      code: 1,
      stderr: `ringway: no monitor at ${join(home.folder, "none")}: there is no such socket: is there a monitor with --admin?\n`,
    });
    expect(await admin("ps", "nobody")).toMatchObject({
      code: 1,
      stderr: "ringway: there is no guest nobody\n",
    });
  });
});

describe("ringway kill", () => {
  it("ends a stream by its id, and a guest by its name; each by itself", async () => {
    const stream = await connected();
    const streams = JSON.parse((await admin("ps", "--streams", "--json")).stdout) as StreamStatus[];
    const status = streams.find(({ state }) => state === "running");
    const reset = once(stream, "error");
    const killed = await admin("kill", "nobody", status!.id);
    expect(killed).toEqual({
      code: 1,
      stdout: `${status!.id}: ended\n`,
      stderr: "ringway: there is no guest nobody\n",
    });
    await reset;
    const other = await Guest.attach(join(home.folder, "web.sock"));
    const gone = once(other, "detach");
    const guests = JSON.parse((await admin("ps", "--json")).stdout) as GuestStatus[];
    const { name } = guests.at(-1)!;
    expect(await admin("kill", name)).toMatchObject({ code: 0, stdout: `${name}: ended\n` });
    await gone;
    await other.close();
  });
});

describe("ringway policy", () => {
  it("put, diff and history: what is in force, what would be, and who has put it there", async () => {
    const file = join(home.folder, "next.yaml");
    writeFileSync(file, LOCAL);
    const first = await admin("policy", "put", file);
    const revision = Number(/^in force as revision (\d+)\n$/.exec(first.stdout)![1]);
    expect(await admin("policy", "diff", file)).toMatchObject({ code: 0 });
    writeFileSync(file, LOCAL.replace("127.0.0.1 }", "127.0.0.1, ports: 1 }"));
    const { code, stdout } = await admin("policy", "diff", file);
    expect(code).toBe(3);
    const changed = stdout.split("\n").filter((line) => /^[-+] /.test(line));
    expect(changed).toEqual(['-          "last": 65535', '+          "last": 1']);
    const stream = await connected();
    const reset = once(stream, "error");
    expect(await admin("policy", "put", file, "--cut")).toMatchObject({
      code: 0,
      stdout: `in force as revision ${revision + 1}; 1 streams that it does not allow were ended\n`,
    });
    await reset;
    const listed = await admin("policy", "history");
    expect(listed.stdout).toMatch(
      new RegExp(`^ +${revision + 1} +\\S+Z +- +admin \\(pid ${process.pid}, uid \\d+\\) +-$`, "m"),
    );
    const changes = JSON.parse((await admin("policy", "history", "--json")).stdout) as PolicyChange[];
    expect(changes.slice(0, 2).map((change) => change.revision)).toEqual([revision + 1, revision]);

    writeFileSync(file, "version: 1\nconect: []\n");
    expect(await admin("policy", "put", file, "--guest", "web")).toMatchObject({
      code: 1,
      stderr: `${file}:2:1: unknown key "conect"; did you mean "connect"?\n`,
    });
    writeFileSync(file, LOCAL);
    expect(await admin("policy", "put", file, "--guest", "web")).toMatchObject({ code: 0 });
    expect(await admin("policy", "diff", file, "--guest", "web")).toMatchObject({ code: 0 });
    expect(await admin("policy", "put", file)).toMatchObject({ code: 0 });
  });

  it("put does what diff shows, also to a relative folder: it is below that of the file", async () => {
    for (const folder of ["shared", "sub/shared"]) mkdirSync(join(home.folder, folder), { recursive: true });
    const file = join(home.folder, "sub/next.yaml");
    writeFileSync(file, `${LOCAL}files:\n  - { guest: /s, host: ./shared, access: ro }\n`);
    const { code, stdout } = await admin("policy", "diff", file);
    expect(code).toBe(3);
    expect(stdout).toContain(`"${join(home.folder, "sub/shared")}"`);
    expect(await admin("policy", "put", file)).toMatchObject({ code: 0 });
    expect(await admin("policy", "diff", file)).toMatchObject({ code: 0 });
  });
});

describe("ringway refusals and events", () => {
  it("list what was refused and what has happened, of a guest, and what happens from now on", async () => {
    await expect(web.connect({ host: "192.0.2.7", port: 25 })).rejects.toThrow();
    const { code, stdout } = await admin("refusals", "--guest", "web");
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^\S+Z web-1 \(team=a\): no connect rule allows 192\.0\.2\.7:25 \(rule default\)\n$/m,
    );
    expect((await admin("refusals", "--guest", "we")).stdout).toBe("");
    const following = start([process.execPath, RINGWAY, "events", "--follow", "--json", "--admin", socket]);
    await following.line("192.0.2.7:25");
    await expect(web.connect({ host: "192.0.2.8", port: 25 })).rejects.toThrow();
    await following.line("192.0.2.8:25");
    const all = await admin("events", "--json");
    const kinds = all.stdout
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { kind: string }).kind);
    expect(kinds).toEqual(expect.arrayContaining(["guest", "attached", "refused"]));
  });
});

describe("ringway top", () => {
  it("--once prints the guests with their rates", async () => {
    const { code, stdout } = await admin("top", "--once", "--interval-ms", "100", "--sort", "name");
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^\d+ guests by name, \d+ streams, to host .*\nID +NAME .* MEMORY\n +1 +web-1 +attached /,
    );
    expect(await admin("top")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("top needs a terminal"),
    });
  });

  it("draws on a terminal as wide as it is, heeds its keys, and gives it back", async () => {
    const steps = [
      ["by rate", "n"],
      ["by name", "s"],
      ["by streams", "q"],
    ];
    const top = `stty rows 8 cols 30; exec ${process.execPath} ${RINGWAY} top --admin ${socket}; `;
    const terminal = join(import.meta.dirname, "../fixtures/terminal.py");
    const { code, stdout, stderr } = await start([
      "python3",
      terminal,
      JSON.stringify(steps),
      "sh",
      "-c",
      top,
    ]).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("\x1b[?1049h\x1b[?25l");
    expect(stdout.endsWith("\x1b[?25h\x1b[?1049l")).toBe(true);
    const drawn = stdout.split("\x1b[H").slice(1);
    for (const screen of drawn) {
      const lines = screen.split("\x1b[J")[0]!.replaceAll("\x1b[K", "").split(/\r+\n/);
      expect(lines.length).toBeLessThanOrEqual(8);
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(30);
    }
  });

  it("on a terminal of no size, and of another; arrows are no letters; a signal ends it", async () => {
    const steps = [
      ["by rate", "\x1b[A"],
      ["by rate", "", "resized"],
      ["by rate, [^s]{0,4}\\x1b", "n"],
      ["by name", "", "terminated"],
    ];
    const top = `stty rows 0 cols 0; exec ${process.execPath} ${RINGWAY} top --interval-ms 200 --admin ${socket}`;
    const terminal = join(import.meta.dirname, "../fixtures/terminal.py");
    const { code, stdout, stderr } = await start([
      ...["python3", terminal, JSON.stringify(steps)],
      ...["sh", "-c", top],
    ]).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.endsWith("\x1b[?25h\x1b[?1049l")).toBe(true);
  });
});
