// The admin API changes a real monitor while it serves real guests, and each change is a line of the audit with who
// has made it.

import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { Guest } from "@ringway/guest";
import { accept, closeFd } from "@ringway/linux";
import { AdminClient, type AdminEvent } from "@ringway/monitor";
import { beforeAll, describe, expect, it } from "vitest";
import { MiB } from "../support/bytes.ts";
import { heldForAll } from "../support/held.ts";
import { Hypervisor, place } from "../support/hypervisor.ts";
import type { Program } from "../support/processes.ts";
import { Home } from "../support/ringway.ts";
import { clientPorts, echoServer, silentServer, type TestServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";

const hold = heldForAll();
let home: Home;
let monitor: Program;
let socket: string;
let admin: AdminClient;
let web: Guest;
let echo: TestServer;
let other: TestServer;

const LOCAL = "version: 1\nconnect:\n  - { id: local, allow: 127.0.0.1 }\n";

beforeAll(async () => {
  home = hold(new Home(LOCAL));
  socket = join(home.folder, "admin.sock");
  const listen = `web=${join(home.folder, "web.sock")},label=team=a`;
  monitor = await home.ready(["--admin", socket, "--audit", join(home.folder, "audit"), "--listen", listen]);
  admin = hold(new AdminClient({ socket }));
  echo = hold(await echoServer());
  other = hold(await echoServer());
  web = hold(await Guest.attach(join(home.folder, "web.sock")));
});

const connect = (port: number, guest = web) => guest.connect({ host: "127.0.0.1", port });

interface AuditLine {
  readonly audit: string;
  readonly action?: string;
  readonly [key: string]: unknown;
}

/** The newest line of a change that has these fields, once it is written. */
async function audited(action: string, has: Readonly<Record<string, unknown>> = {}): Promise<AuditLine> {
  const fields = Object.entries({ action, ...has });
  return await until(`the audit line of ${action}`, () => {
    const lines = readFileSync(join(home.folder, "audit"), "utf8").split("\n").slice(0, -1);
    return lines
      .map((line) => JSON.parse(line) as AuditLine)
      .findLast((line) => fields.every(([key, value]) => line[key] === value));
  });
}

const by = { via: "admin", uid: process.getuid!(), gid: process.getgid!(), pid: process.pid };

describe("the admin API", () => {
  it("puts a policy in force, for guests that are there, and cuts what it does not allow any more", async () => {
    const [kept, ended] = [await connect(echo.port), await connect(other.port)];
    const broken = once(ended, "error");
    const only = `version: 1\nconnect:\n  - { id: one, allow: 127.0.0.1, ports: ${echo.port} }\n`;
    expect(await admin.putPolicy(only, { cut: true })).toMatchObject({ cut: 1 });
    expect((await broken)[0]).toMatchObject({ code: "ECONNRESET" });
    kept.write("still here");
    expect(String((await once(kept, "data"))[0])).toBe("still here");
    await expect(connect(other.port)).rejects.toMatchObject({ code: "EACCES" });
    expect(await admin.policy()).toMatchObject({ text: only, by });
    expect(await audited("policy", { revision: 2 })).toMatchObject({ audit: "changed", by, cut: 1 });
    // What is put later leaves what is open alone, unless it is told otherwise.
    expect(await admin.putPolicy("version: 1\n")).toMatchObject({ cut: 0 });
    kept.write("and still");
    expect(String((await once(kept, "data"))[0])).toBe("and still");
    await admin.putPolicy(LOCAL);
    kept.destroy();
  });

  it("cuts a connection that a name led to, where the address is denied now", async () => {
    const named = (address: string): string =>
      `version: 1\nhosts: { echo.test: 127.0.0.1 }\nconnect:\n  - { allow: echo.test, resolvesTo: ${address} }\n`;
    await admin.putPolicy(named("127.0.0.1"));
    const connection = await web.connect({ host: "echo.test", port: echo.port });
    const broken = once(connection, "error");
    expect(await admin.putPolicy(named("10.0.0.1"), { cut: true })).toMatchObject({ cut: 1 });
    expect((await broken)[0]).toMatchObject({ code: "ECONNRESET" });
    await admin.putPolicy(LOCAL);
  });

  it("has no connection come to an address that was allowed when it was tried, and is denied by now", async () => {
    const named = (address: string): string =>
      `version: 1\nhosts: { echo.test: 127.0.0.1 }\nconnect:\n  - { allow: echo.test, resolvesTo: ${address} }\n`;
    await admin.putPolicy(named("127.0.0.1"));
    using server = silentServer();
    const refused = web.connect({ host: "echo.test", port: server.port }).catch((error: unknown) => error);
    const isTried = (): boolean => clientPorts(server.port).some((port) => !server.fillers.has(port));
    await until("it to be tried", isTried);
    await admin.putPolicy(named("10.0.0.1"), { cut: true });
    server.giveWay();
    closeFd((accept(server.fd) as { fd: number }).fd);
    expect(await refused).toMatchObject({ code: "EACCES", rule: "not-public" });
    await admin.putPolicy(LOCAL);
  });

  it("refuses a bad policy with all that is wrong with it, and the old one stays", async () => {
    const before = await admin.policy();
    const bad = await admin
      .putPolicy("version: 1\nconect: []\nlimits: { streams: 0 }\n")
      .catch((e: unknown) => e);
    expect(bad).toMatchObject({
      status: 422,
      code: "ERR_RINGWAY_POLICY",
      problems: [
        { line: 2, column: 1, message: 'unknown key "conect"; did you mean "connect"?' },
        { line: 3, path: "limits.streams" },
      ],
    });
    expect(await admin.policy()).toEqual(before);
  });

  it("gives one guest a policy of its own", async () => {
    await using plain = await Guest.attach(home.path);
    await admin.putPolicy("version: 1\nguest: { argv: [its-own] }\n", { guest: "web" });
    expect((await web.args()).argv).toEqual(["its-own"]);
    expect((await plain.args()).argv).toEqual([]);
    expect(await audited("policy", { guest: "web" })).toMatchObject({ labels: { team: "a" } });
    await expect(admin.putPolicy(LOCAL, { guest: "nobody" })).rejects.toMatchObject({ status: 404 });
    await admin.putPolicy(LOCAL, { guest: "web" });
  });

  it("ends a stream, and no other that has its number later", async () => {
    const connection = await connect(echo.port);
    const broken = once(connection, "error");
    const { items } = await admin.streams({ guest: "web-1" });
    const { id } = items.find(({ rule }) => rule === "local")!;
    await admin.resetStream(id);
    expect((await broken)[0]).toMatchObject({ code: "ECONNRESET" });
    expect(await audited("reset", { stream: id })).toMatchObject({ by });
    await expect(admin.resetStream(id)).rejects.toMatchObject({ status: 404 });
    await expect(admin.resetStream("nonsense")).rejects.toMatchObject({ status: 404 });
    const text = readFileSync(join(home.folder, "audit"), "utf8");
    expect(text).toMatch(/"audit":"closed".*"end":"operator"/);
  });

  it("sets rates for one guest, which its streams go by at once", async () => {
    await admin.setRates("web-1", { bytesToHost: 4096 });
    const connection = await connect(echo.port);
    connection.on("error", () => {});
    connection.write(Buffer.alloc(65_536));
    await until("a wait for the rate", async () => (await admin.counters()).rateBytesToHost > 0);
    expect(await audited("rates")).toMatchObject({ guest: "web-1", rates: { bytesToHost: 4096 } });
    let bytes = 0;
    connection.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    await admin.setRates("web-1", {});
    await until("the rest", () => bytes === 65_536);
    connection.destroy();
    await expect(admin.setRates("web-1", { bytesToHost: 1 })).rejects.toMatchObject({ status: 400 });
  });

  it("sets rates for one stream, and others of its guest go on as they did", async () => {
    const [slow, fast] = [await connect(echo.port), await connect(other.port)];
    const bytes = { slow: 0, fast: 0 };
    slow.on("data", (chunk: Buffer) => (bytes.slow += chunk.length));
    fast.on("data", (chunk: Buffer) => (bytes.fast += chunk.length));
    const { items } = await admin.streams({ guest: "web-1" });
    const { id } = items.find(
      ({ target, state }) => target.endsWith(`:${echo.port}`) && state === "running",
    )!;
    await admin.setStreamRates(id, { bytesToHost: 4096 });
    expect(await audited("rates", { stream: id })).toMatchObject({ rates: { bytesToHost: 4096 }, by });
    for (const each of [slow, fast]) each.write(Buffer.alloc(256 * 1024));
    await until("all of the other", () => bytes.fast === 256 * 1024 || bytes.slow === 256 * 1024);
    expect(bytes.fast).toBe(256 * 1024);
    expect(bytes.slow).toBeLessThan(256 * 1024);
    await admin.setStreamRates(id, {});
    await until("the rest", () => bytes.slow === 256 * 1024);
    await admin.setStreamRates(id, { bytesToGuest: 2048 });
    for (const each of [slow, fast]) each.destroy();
    await until("its end", async () => (await admin.streams({ guest: "web-1" })).items.length === 0);
    await expect(admin.setStreamRates(id, {})).rejects.toMatchObject({ status: 404 });
    await expect(admin.setStreamRates(id, { lookups: 5 } as never)).rejects.toMatchObject({
      status: 400,
      message: `unknown key "lookups" in the body; expected one of bytesToHost, bytesToGuest`,
    });
  });

  it("names the key of a request that it does not take, and what that should be", async () => {
    const said = async (work: Promise<unknown>): Promise<string> =>
      ((await work.catch((error: unknown) => error)) as Error).message;
    const named = { name: "vm1", memory: "/dev/shm/vm1", doorbell: "vm1.sock" };
    expect(await said(admin.drain({ drainMS: 1 } as never))).toBe(
      'unknown key "drainMS" in the body; expected one of drainMs; did you mean "drainMs"?',
    );
    expect(await said(admin.addVm({ name: "vm1" } as never))).toBe('the body has no key "memory"');
    expect(await said(admin.addVm(named))).toBe('"doorbell" in the body must match pattern "^/"');
    expect(await said(admin.guests({ limit: 0 }))).toBe('"limit" in the query must be >= 1');
    expect(await said(admin.setRates("web-1", { lookups: "few" as never }))).toBe(
      '"lookups" in the body must be integer, or must be "unlimited"',
    );
    expect(await said(admin.publish({ port: 80, guest: "web", gestPort: 1 } as never))).toContain(
      '"guestPort"?',
    );
  });

  it("ends a guest, which may come again", async () => {
    const guest = await Guest.attach(home.path);
    const { name } = (await admin.guests()).items.at(-1)!;
    const gone = once(guest, "detach");
    await admin.closeGuest(name);
    await gone;
    expect(await audited("close", { guest: name })).toMatchObject({ by });
    await guest.close();
    await using again = await Guest.attach(home.path);
    expect((await again.args()).argv).toEqual([]);
  });

  it("tells what happens as it happens, with labels, and what happened since an event", async () => {
    const events = admin.events({ kinds: ["refused", "changed", "attached"] });
    let isFollowed = false;
    const first = events.next().finally(() => {
      isFollowed = true;
    });
    await until("it to be followed", async () => {
      await admin.setRates("web-1", {});
      return isFollowed;
    });
    await expect(web.connect({ host: "192.0.2.1", port: 1 })).rejects.toThrow();
    const seen = [(await first).value!];
    while (seen.at(-1)!.kind !== "refused") seen.push((await events.next()).value!);
    await events.return(undefined);
    const changed = seen.find(({ kind }) => kind === "changed");
    expect(changed).toMatchObject({ data: { action: "rates", guest: "web-1", by } });
    const refused = seen.at(-1)!;
    expect(refused.data).toMatchObject({ guest: "web-1", labels: { team: "a" }, rule: "default" });
    const again = admin.events({ after: seen.at(-2)!.id! });
    expect((await again.next()).value).toEqual(refused);
    await again.return(undefined);
  });

  it("tells what is kept and ends, however much happens meanwhile", async () => {
    let isOver = false;
    const busy = (async () => {
      while (!isOver) await admin.setRates("web-1", {});
    })();
    const kept: AdminEvent[] = [];
    for await (const event of admin.events({ after: "0", follow: false })) kept.push(event);
    isOver = true;
    await busy;
    expect(kept[0]).toEqual({ kind: "gap", data: {} });
    expect(kept.filter(({ kind }) => kind === "attached").length).toBeGreaterThan(0);
  });

  it("adds a virtual machine and removes it, whose guest is served meanwhile", async () => {
    using at = place("added");
    using hypervisor = new Hypervisor(at);
    const vm = { name: "added", memory: at.memory, doorbell: at.doorbell, memoryBytes: 4 * MiB };
    const policy = join(home.folder, "added.yaml");
    writeFileSync(policy, LOCAL);
    await admin.addVm({ ...vm, policy, labels: { team: "b" } });
    expect(await admin.policy("added")).toMatchObject({ file: policy, by });
    const guest = await hypervisor.boot();
    expect(await admin.guest("added")).toMatchObject({ tenant: "added", labels: { team: "b" } });
    await expect(admin.addVm(vm)).rejects.toMatchObject({ status: 422 });
    await expect(admin.addVm({ ...vm, name: "no name" })).rejects.toMatchObject({ status: 400 });
    expect(await audited("vm")).toMatchObject({ guest: "added", by });
    const gone = once(guest, "detach");
    await admin.removeVm("added");
    await gone;
    expect(await audited("vm-removed")).toMatchObject({ guest: "added", by });
    await expect(admin.removeVm("added")).rejects.toMatchObject({ status: 404 });
    await guest.close();
  });

  it("has SIGHUP among the changes: a line of the audit, and an event", async () => {
    const events = admin.events({ kinds: ["changed"] });
    const event = events.next();
    const { revision } = (await admin.policyHistory())[0]!;
    process.kill(monitor.pid, "SIGHUP");
    const put = { action: "policy", revision: revision + 1, by: { via: "signal" } };
    await until("its line", async () => (await audited("policy")).revision === revision + 1);
    expect(await audited("policy")).toMatchObject(put);
    expect((await event).value).toMatchObject({ data: put });
    await events.return(undefined);
    expect(await admin.policy()).toMatchObject({ file: home.policyFile });
  });

  it("takes a policy as YAML, and nothing else for one", async () => {
    const status = (type: string, body: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const headers = { "content-type": type };
        const sent = request(
          { socketPath: socket, method: "PUT", path: "/v1/policy", headers },
          (response) => {
            response.resume().on("end", () => resolve(response.statusCode));
          },
        );
        sent.on("error", reject);
        sent.end(body);
      });
    expect(await status("application/json", '{"version":1}')).toBe(415);
    expect(await status("application/octet-stream", LOCAL)).toBe(415);
    expect(await status("text/plain", LOCAL)).toBe(200);
  });

  it("ends the monitor as a signal does", async () => {
    const ending = hold(new Home(LOCAL));
    const path = join(ending.folder, "admin.sock");
    const monitor = await ending.ready(["--admin", path]);
    // With no body at all, as docs/operate.md has it.
    const sent = request({ socketPath: path, method: "POST", path: "/v1/drain" }).end();
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    expect(response.resume().statusCode).toBe(200);
    expect(await monitor.exited).toMatchObject({ code: 0 });
    expect(monitor.log.map(({ msg }) => msg)).toContain("monitor has stopped");
  });
});
