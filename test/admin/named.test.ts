// What the commands say of guests and machines that have a name of the host's, there or not; of names that nobody has;
// and of an --admin that leads elsewhere. One monitor with a real guest, and a machine whose hypervisor never comes.

import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { Guest } from "@ringway/guest";
import { closeFd, listenUnix } from "@ringway/linux";
import { AdminClient, type GuestStatus } from "@ringway/monitor";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { inProcess } from "../../packages/cli/test/in-process.ts";
import { heldForAll } from "../support/held.ts";
import type { Program } from "../support/processes.ts";
import { Home } from "../support/ringway.ts";
import { until } from "../support/wait.ts";

const hold = heldForAll();
let home: Home;
let monitor: Program;
let socket: string;
const at = (name: string): string => join(home.folder, name);

beforeAll(async () => {
  home = hold(new Home("version: 1\n"));
  socket = at("admin.sock");
  const vm = `vm1:memory=${at("vm1.mem")},doorbell=${at("vm1.sock")},size=1M,label=team=b`;
  const listen = ["--listen", `web=${at("web.sock")}`, "--listen", `build=${at("build.sock")}`];
  monitor = await home.ready(["--admin", socket, ...listen, "--vm", vm]);
});

const admin = (...args: string[]) => inProcess(...args, "--admin", socket);

async function web(): Promise<Guest> {
  const guest = await Guest.attach(at("web.sock"));
  onTestFinished(() => guest.close());
  return guest;
}

describe("a machine whose hypervisor has not come", () => {
  it("is in ps and in the API, as waiting", async () => {
    const { stdout } = await admin("ps");
    expect(stdout).toMatch(/^ *- +vm1 +- +waiting +- +- +- +- +team=b$/m);
    expect((await admin("ps", "vm1")).stdout).toBe(stdout.replace(/^.*\b(web|build)-.*\n/gm, ""));
    using client = new AdminClient({ socket });
    expect(await client.tenants()).toEqual([
      { name: "web", kind: "process", state: "waiting", socket: at("web.sock"), labels: {} },
      { name: "build", kind: "process", state: "waiting", socket: at("build.sock"), labels: {} },
      { name: "vm1", kind: "vm", state: "waiting", socket: at("vm1.sock"), labels: { team: "b" } },
    ]);
  });
});

describe("the name of an attach socket", () => {
  it("is that of all its guests: ps lists them, kill ends them", async () => {
    const [one, two] = [await web(), await web()];
    const listed = JSON.parse((await admin("ps", "web", "--json")).stdout) as GuestStatus[];
    expect(listed.map(({ name, tenant }) => [name, tenant])).toEqual([
      ["web-1", "web"],
      ["web-2", "web"],
    ]);
    expect((await admin("ps", "web", "--streams")).code).toBe(0);
    using client = new AdminClient({ socket });
    expect((await client.tenants())[0]).toMatchObject({ name: "web", state: "there" });
    const gone = [one, two].map((guest) => once(guest, "detach"));
    expect(await admin("kill", "web")).toEqual({ code: 0, stdout: "web: ended\n", stderr: "" });
    await Promise.all(gone);
    await until("nobody to be there", async () => (await client.tenants())[0]!.state === "waiting");
    expect((await admin("ps", "web")).stdout.split("\n")).toHaveLength(2);
    expect(await admin("kill", "web")).toMatchObject({
      code: 1,
      stderr: "ringway: nobody is there of web\n",
    });
    expect(await admin("kill", "nope")).toMatchObject({
      code: 1,
      stderr: "ringway: there is no guest nope\n",
    });
  });
});

/** A monitor's admin API as guests leave and others cannot be ended, which no real one does at a word. */
async function answering(path: string, answers: Readonly<Record<string, readonly [number, unknown]>>) {
  const asked: string[] = [];
  const server = createHttpServer(({ method, url }, response) => {
    const what = `${method} ${url}`;
    asked.push(what);
    const [status, body] = answers[what] ?? [404, { error: "there is no such", code: "ENOENT" }];
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  }).listen(path);
  onTestFinished(() => void server.close());
  await once(server, "listening");
  return asked;
}

describe("guests of a name of whom some leave meanwhile", () => {
  const listed = ["1-1", "1-2", "1-3"].map((id) => ({ id, tenant: "web", name: `web-${id}` }));
  const list = {
    "GET /v1/tenants": [200, { items: [{ name: "web" }] }],
    "GET /v1/guests?limit=1000": [200, { items: listed }],
  } as const;

  it("are ended all the same by kill, which says at the end who has not been", async () => {
    const path = at("leaving.sock");
    const ended = { "DELETE /v1/guests/1-3": [200, {}] } as const;
    const asked = await answering(path, {
      ...list,
      ...ended,
      "DELETE /v1/guests/1-2": [500, { error: "no way", code: "ERR_INTERNAL" }],
    });
    expect(await inProcess("kill", "web", "--admin", path)).toEqual({
      code: 1,
      stdout: "",
      stderr: "ringway: 1 of 3 guests of web have not been ended: 1-2: no way\n",
    });
    expect(asked).toContain("DELETE /v1/guests/1-3");
    const other = at("left.sock");
    await answering(other, { ...list, ...ended });
    expect(await inProcess("kill", "web", "--admin", other)).toMatchObject({ stdout: "web: ended\n" });
  });

  it("have no streams in ps any more", async () => {
    const path = at("left-streams.sock");
    await answering(path, { ...list, "GET /v1/streams?limit=1000&guest=1-2": [200, { items: [] }] });
    expect(await inProcess("ps", "web", "--streams", "--json", "--admin", path)).toEqual({
      code: 0,
      stdout: "[]\n",
      stderr: "",
    });
  });
});

describe("ringway refusals and events", () => {
  it("say that there is no such guest, and nothing of one that has done nothing", async () => {
    for (const command of ["refusals", "events"]) {
      expect(await admin(command, "--guest", "nope")).toEqual({
        code: 1,
        stdout: "",
        stderr: "ringway: there is no guest nope, nor anything of one that was\n",
      });
      expect(await admin(command, "--guest", "build")).toEqual({ code: 0, stdout: "", stderr: "" });
    }
  });

  it("have the error's name, as the audit file", async () => {
    const guest = await web();
    await guest.connect(25, "192.0.2.1").catch(() => {});
    const { stdout } = await admin("refusals", "--guest", "web", "--json");
    expect(JSON.parse(stdout.trimEnd().split("\n").at(-1)!)).toMatchObject({
      what: "192.0.2.1:25",
      errno: "EACCES",
    });
  });
});

describe("ringway policy history", () => {
  it("says that a policy came by a signal, and of which file", async () => {
    monitor.kill("SIGHUP");
    await monitor.logged("policy reloaded");
    const { stdout } = await admin("policy", "history");
    expect(stdout.split("\n")[1]).toMatch(new RegExp(`Z +- +signal +${home.policyFile}$`));
  });
});

describe("--admin that leads elsewhere", () => {
  it("says what is there", async () => {
    const [attach, file, http, stale] = [home.path, home.policyFile, at("other.sock"), at("stale.sock")];
    const other = createServer((connection) => void connection.end("SSH-2.0-none\r\n")).listen(http);
    onTestFinished(() => void other.close());
    await once(other, "listening");
    const silent = createServer((connection) => void connection.destroy()).listen(at("silent.sock"));
    onTestFinished(() => void silent.close());
    await once(silent, "listening");
    const gone = listenUnix(stale, { type: "stream" });
    closeFd(gone);
    const saidOf = async (path: string): Promise<string> => {
      const { code, stderr } = await inProcess("ps", "--admin", path);
      expect(code).toBe(1);
      return stderr.replace(`ringway: no monitor at ${path}: `, "").trimEnd();
    };
    const is = "the admin socket is the one of the monitor's --admin";
    expect(await saidOf(attach)).toBe(`that is where guests attach; ${is}`);
    expect(await saidOf(file)).toBe(`that is no socket; ${is}`);
    expect(await saidOf(home.folder)).toBe(`that is no socket; ${is}`);
    expect(await saidOf(http)).toBe(`who listens there does not speak HTTP; ${is}`);
    expect(await saidOf(stale)).toBe("nobody listens there any more: its monitor has ended");
    expect(await saidOf(at("silent.sock"))).toBe("who listens there ends the connection without an answer");
    expect(await saidOf(join(file, "x"))).toBe("a part of that path is no folder");
  });
});
