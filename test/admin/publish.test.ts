// Ports of the host that the operator publishes: curl reaches a guest's server by them, whatever the guest's policy
// lets it listen on; they outlive the guest.

import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { Guest, type GuestServer } from "@ringway/guest";
import { AdminClient } from "@ringway/monitor";
import { beforeAll, describe, expect, it } from "vitest";
import { inProcess } from "../../packages/cli/test/in-process.ts";
import { heldForAll } from "../support/held.ts";
import type { Program } from "../support/processes.ts";
import { Home, start } from "../support/ringway.ts";
import { freePort, tcpServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";

const hold = heldForAll();
let home: Home;
let monitor: Program;
let socket: string;
let web: string;
let config: string;
let admin: AdminClient;
const POLICY = "version: 1\nlisten: [{ id: own, allow: 127.0.0.1, ports: [0, 20000-65535] }]\n";
const REFUSED = 7;

beforeAll(async () => {
  home = hold(new Home(POLICY));
  socket = join(home.folder, "admin.sock");
  web = join(home.folder, "web.sock");
  config = join(home.folder, "ringway.yaml");
  writeConfig("");
  const files = ["--config", config, "--audit", join(home.folder, "audit")];
  monitor = await home.ready(["--admin", socket, ...files]);
  admin = hold(new AdminClient({ socket }));
});

function writeConfig(publishes: string): void {
  writeFileSync(config, `version: 1\nguests: [{ name: web, listen: web.sock }]\n${publishes}`);
}

/** What the host's curl is told, or its exit code. */
async function asked(port: number, host = "127.0.0.1"): Promise<string | number | null> {
  const { code, stdout } = await start([
    "curl",
    "-sS",
    "-m",
    "10",
    "--noproxy",
    "*",
    `http://${host}:${port}/`,
  ]).ended;
  return code === 0 ? stdout : code;
}

/** A server in a guest, which says hello. */
async function serve(guest: Guest, port: number, words: string): Promise<GuestServer> {
  const answer = `HTTP/1.0 200 OK\r\ncontent-length: ${words.length}\r\n\r\n${words}`;
  const server = await guest.listen({ port, host: "127.0.0.1" }, (connection) => {
    connection.on("error", () => {});
    connection.end(answer);
  });
  // It is over where the last of its ports is taken back.
  server.on("error", () => {});
  return server;
}

describe("a published port", () => {
  it("leads to what guests of its name listen on, one after the other; between them it refuses, and is kept", async () => {
    const port = await freePort();
    await using first = await Guest.attach(web);
    await expect(first.listen({ port: 80 })).rejects.toMatchObject({ code: "EACCES" });
    expect(await admin.publish({ port, guest: "web", guestPort: 80 })).toMatchObject({
      id: `127.0.0.1:${port}`,
    });
    expect(await asked(port)).toBe(REFUSED);
    const other = createServer().listen(port, "127.0.0.1");
    expect((await once(other, "error"))[0]).toMatchObject({ code: "EADDRINUSE" });

    const server = await serve(first, 80, "first");
    // What it is bound to: the guest learns so where it is reached.
    expect(server.address()).toMatchObject({ address: "127.0.0.1", port });
    expect(await asked(port)).toBe("first");
    // As with a socket of its own: no second one takes a share of the first's connections.
    await expect(first.listen({ port: 80 })).rejects.toMatchObject({ code: "EADDRINUSE" });
    expect(await admin.publishes()).toMatchObject([{ id: `127.0.0.1:${port}`, listeners: 1 }]);

    await first.close();
    await until("it to be refused", async () => (await asked(port)) === REFUSED);
    const late = createServer().listen(port, "127.0.0.1");
    expect((await once(late, "error"))[0]).toMatchObject({ code: "EADDRINUSE" });
    await using second = await Guest.attach(web);
    await serve(second, 80, "second");
    expect(await asked(port)).toBe("second");

    await admin.unpublish(`127.0.0.1:${port}`);
    expect(await asked(port)).toBe(REFUSED);
    expect(await admin.publishes()).toEqual([]);
    const free = createServer().listen(port, "127.0.0.1");
    await once(free, "listening");
    free.close();
  });

  it("is one more way to what listens by a rule already, and where it goes that listens on", async () => {
    await using guest = await Guest.attach(web);
    const server = await serve(guest, 0, "both");
    const own = (server.address() as AddressInfo).port;
    const [one, two] = [await freePort(), await freePort()];
    await admin.publish({ port: one, guest: "web", guestPort: own });
    await admin.publish({ port: two, address: "127.0.0.2", guest: "web", guestPort: own });
    expect(await asked(one)).toBe("both");
    expect(await asked(two, "127.0.0.2")).toBe("both");
    expect(await asked(own)).toBe("both");
    await admin.unpublish(`127.0.0.1:${one}`);
    expect(await asked(one)).toBe(REFUSED);
    expect(await asked(two, "127.0.0.2")).toBe("both");
    expect(await asked(own)).toBe("both");
    await admin.unpublish(`127.0.0.2:${two}`);
    expect(await asked(own)).toBe("both");
  });

  it("ends what listens by it alone, and leaves the connections that are open", async () => {
    const port = await freePort();
    await admin.publish({ port, guest: "web", guestPort: 81 });
    await using guest = await Guest.attach(web);
    const server = await guest.listen({ port: 81 }, (connection) => void connection.pipe(connection));
    const ended = new Promise<void>((resolve) => server.on("error", () => {}).once("close", () => resolve()));
    const client = connect(port, "127.0.0.1").on("error", () => {});
    client.write("one");
    expect(String((await once(client, "data"))[0])).toBe("one");
    await admin.unpublish(`127.0.0.1:${port}`);
    client.write("two");
    expect(String((await once(client, "data"))[0])).toBe("two");
    expect(await asked(port)).toBe(REFUSED);
    client.end();
    await ended;
    await expect(guest.listen({ port: 81 })).rejects.toMatchObject({ code: "EACCES" });
  });

  it("is shared by the guests of one name, and outlives the one that goes", async () => {
    const port = await freePort();
    await admin.publish({ port, guest: "web", guestPort: 82 });
    const one = await Guest.attach(web);
    await serve(one, 82, "shared");
    await using two = await Guest.attach(web);
    await serve(two, 82, "shared");
    expect(await admin.publishes()).toMatchObject([{ listeners: 2 }]);
    await one.close();
    for (let i = 0; i < 4; i++) expect(await asked(port)).toBe("shared");
    await admin.unpublish(`127.0.0.1:${port}`);
  });

  it("is not to be had where somebody else has it, or for nobody; each change is audited", async () => {
    await using taken = await tcpServer();
    const refused = (options: object) => admin.publish(options as never).catch((error: unknown) => error);
    expect(await refused({ port: taken.port, guest: "web" })).toMatchObject({
      status: 409,
      code: "EADDRINUSE",
      message: `publish "127.0.0.1:${taken.port}": Address already in use (EADDRINUSE)`,
    });
    const port = await freePort();
    expect(await refused({ port, guest: "nobody" })).toMatchObject({ status: 404 });
    expect(await refused({ port, guest: "web", address: "192.0.2.1" })).toMatchObject({
      code: "EADDRNOTAVAIL",
    });
    expect(await refused({ port: 70_000, guest: "web" })).toMatchObject({ status: 400 });
    expect(await refused({ port, guest: "web", address: "elsewhere" })).toMatchObject({ status: 400 });
    await admin.publish({ port, guest: "web", guestPort: 83 });
    expect(await refused({ port, guest: "web" })).toMatchObject({
      message: expect.stringContaining("web:83"),
    });
    await admin.unpublish(`127.0.0.1:${port}`);
    await expect(admin.unpublish(`127.0.0.1:${port}`)).rejects.toMatchObject({ status: 404 });
    await expect(admin.unpublish("nonsense")).rejects.toMatchObject({ status: 404 });
    const line = await until("its audit line", () => {
      const lines = readFileSync(join(home.folder, "audit"), "utf8").split("\n").slice(0, -1);
      return lines.map((text) => JSON.parse(text)).findLast(({ action }) => action === "unpublish");
    });
    const by = { via: "admin", pid: process.pid };
    expect(line).toMatchObject({
      audit: "changed",
      guest: "web",
      place: `127.0.0.1:${port}`,
      guestPort: 83,
      by,
    });
  });

  it("is kept from who floods it: one of which a guest takes nothing waits in the kernel, and others are served", async () => {
    const [busy, fine] = [await freePort(), await freePort()];
    await admin.publish({ port: busy, guest: "web", guestPort: 84 });
    await admin.publish({ port: fine, guest: "web", guestPort: 84 });
    await using guest = await Guest.attach(web);
    await serve(guest, 84, "fair");
    const floods = Array.from({ length: 200 }, () =>
      connect(busy, "127.0.0.1")
        .on("error", () => {})
        .resume(),
    );
    expect(await asked(fine)).toBe("fair");
    for (const flood of floods) flood.destroy();
    for (const port of [busy, fine]) await admin.unpublish(`127.0.0.1:${port}`);
  });
});

describe("ports that are published from the start", () => {
  it("are had before any guest can have one of them; each is audited, and who leads to nobody is named", async () => {
    const own = hold(new Home(POLICY));
    const servers = await Promise.all(Array.from({ length: 64 }, () => tcpServer()));
    const ports = servers.map(({ port }) => port);
    await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    const items = ports.map((port, i) => `{ port: ${port}, guest: ${i === 63 ? "wbe" : "web"} }`);
    const [file, guests, audit] = ["ringway.yaml", "web.sock", "audit"].map((name) => join(own.folder, name));
    writeFileSync(
      file!,
      `version: 1\nguests: [{ name: web, listen: web.sock }]\npublishes: [${items.join(", ")}]\n`,
    );
    const coming = until("a guest that has waited", () => Guest.attach(guests!).catch(() => undefined));
    const ready = own.ready(["--config", file!, "--audit", audit!]);
    await using guest = await coming;
    await expect(guest.listen({ port: ports[63]!, host: "127.0.0.1" })).rejects.toMatchObject({
      code: "EADDRINUSE",
    });
    const { output, errors } = await ready;
    const lines = await until("the audit lines", () => {
      const all = readFileSync(audit!, "utf8")
        .split("\n")
        .slice(0, -1)
        .map((text) => JSON.parse(text));
      const found = all.filter(({ action }) => action === "publish");
      return found.length === 64 && found;
    });
    expect(lines[0]).toMatchObject({ guest: "web", place: `127.0.0.1:${ports[0]}`, by: { via: "start" } });
    expect(output + errors).toContain(`127.0.0.1:${ports[63]} is published for a guest that nobody is yet`);
  });
});

describe("ringway publish", () => {
  it("publishes, lists and takes back; and so does ringway.yaml, with each SIGHUP", async () => {
    const [port, other] = [await freePort(), await freePort()];
    const run = (...args: string[]) => inProcess(...args, "--admin", socket);
    expect(await run("publish", `${port}`, "web:85")).toMatchObject({
      code: 0,
      stdout: `127.0.0.1:${port} leads to web:85\n`,
    });
    const listed = await run("publish");
    expect(listed.stdout).toMatch(/^HOST +GUEST +PORT +LISTENERS +SINCE +BY$/m);
    expect(listed.stdout).toMatch(new RegExp(`^127.0.0.1:${port} +web +85 +0 +\\S+Z +admin \\(pid `, "m"));
    expect(await run("unpublish", `${port}`)).toMatchObject({
      code: 0,
      stdout: `127.0.0.1:${port}: published no more\n`,
    });
    expect(await run("unpublish", `${port}`)).toMatchObject({ code: 1 });
    expect(await run("publish", "web:80")).toMatchObject({ code: 2 });

    const from = async (publishes: string, ids: readonly string[]): Promise<void> => {
      writeConfig(publishes);
      monitor.child.kill("SIGHUP");
      await until(`${ids} to be published`, async () => {
        const items = await admin.publishes();
        return items.map(({ id }) => id).join() === ids.join();
      });
    };
    await from(`publishes: [{ port: ${port}, guest: web, guestPort: 85 }]\n`, [`127.0.0.1:${port}`]);
    expect(await admin.publishes()).toMatchObject([{ by: { via: "signal" } }]);
    await from(`publishes: [{ port: ${other}, guest: web }]\n`, [`127.0.0.1:${other}`]);
  });
});
