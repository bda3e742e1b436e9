// The admin API of a real monitor: what it shows of real guests, and who may ask.

import { once } from "node:events";
import { statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { Guest } from "@ringway/guest";
import { AdminClient, AdminError, type StreamStatus } from "@ringway/monitor";
import { beforeAll, describe, expect, it } from "vitest";
import { MiB } from "../support/bytes.ts";
import { heldForAll } from "../support/held.ts";
import { Home } from "../support/ringway.ts";
import { echoServer, type TestServer, tcpServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";

const hold = heldForAll();
let home: Home;
let socket: string;
let admin: AdminClient;
let web: Guest;
let echo: TestServer;
let deaf: TestServer;

const POLICY = `version: 1
connect:
  - { id: local, allow: 127.0.0.1 }
`;

beforeAll(async () => {
  home = hold(new Home(POLICY));
  socket = join(home.folder, "admin.sock");
  const own = join(home.folder, "web.yaml");
  writeFileSync(own, `${POLICY}guest: { argv: [web] }\n`);
  const listen = `web=${join(home.folder, "web.sock")},policy=${own},label=team=a`;
  await home.ready(["--admin", socket, "--listen", listen]);
  admin = hold(new AdminClient({ socket }));
  echo = hold(await echoServer());
  deaf = hold(await tcpServer((connection) => void connection.pause()));
  web = hold(await Guest.attach(join(home.folder, "web.sock")));
});

/** The streams of one guest. */
const streamsOf = async (guest: string): Promise<readonly StreamStatus[]> =>
  (await admin.streams({ guest })).items.filter(({ protocol }) => protocol === "tcp-connect");

describe("the admin API", () => {
  it("shows guests with their names, labels, processes and traffic, by id and by name", async () => {
    const connection = await web.connect(echo.port);
    connection.write("hello, ringway");
    await once(connection, "data");
    const { items } = await admin.guests();
    const guest = items.find(({ name }) => name === "web-1")!;
    expect(guest).toMatchObject({
      tenant: "web",
      labels: { team: "a" },
      key: "guest:web",
      pid: process.pid,
      state: "attached",
      streams: 1,
      bytesToHost: 14,
      bytesToGuest: 14,
      held: false,
      parked: false,
    });
    expect(await admin.guest(guest.id)).toMatchObject({ name: "web-1" });
    expect(await admin.guest("web-1")).toMatchObject({ id: guest.id });
    const none = await admin.guest("web-9").catch((error: unknown) => error);
    expect(none).toMatchObject({ status: 404, code: "ERR_RINGWAY_NOT_THERE" });
    connection.destroy();
  });

  it("shows a stream's target, rule, address, bytes, and how full its rings are", async () => {
    const connection = await web.connect({ host: "127.0.0.1", port: deaf.port });
    connection.on("error", () => {});
    connection.write(Buffer.alloc(16 * MiB));
    const waiting = await until("bytes that nobody takes", async () => {
      const [stream] = await streamsOf("web-1");
      return (stream?.toHost.bytes ?? 0) > 0 ? stream : undefined;
    });
    expect(waiting).toMatchObject({
      guest: "web-1",
      protocol: "tcp-connect",
      target: `127.0.0.1:${deaf.port}`,
      rule: "local",
      address: `127.0.0.1:${deaf.port}`,
      state: "running",
      bytesToGuest: 0,
      toGuest: { bytes: 0 },
    });
    expect(waiting.bytesToHost).toBeGreaterThan(0);
    expect(waiting.ageMs).toBeGreaterThanOrEqual(0);
    connection.destroy();
    await until("its end", async () => (await streamsOf("web-1")).length === 0);
  });

  it("gives long lists in parts, each stream once", async () => {
    await using guest = await Guest.attach(home.path);
    const sockets = await Promise.all(Array.from({ length: 150 }, () => guest.connect(echo.port)));
    const { id } = (await admin.guests()).items.at(-1)!;
    const seen: string[] = [];
    for (let after: string | undefined, parts = 0; ; parts++) {
      const page = await admin.streams({ guest: id, limit: 64, ...(after && { after }) });
      seen.push(...page.items.map((stream) => stream.id));
      after = page.next;
      if (after !== undefined) continue;
      expect(parts).toBe(2);
      break;
    }
    expect(new Set(seen).size).toBe(150);
    expect(seen).toHaveLength(150);
    for (const connection of sockets) connection.destroy();
  });

  it("shows the policies in force, their texts, and what came before", async () => {
    expect(await admin.policy()).toMatchObject({
      revision: 1,
      by: { via: "start" },
      file: home.policyFile,
      text: POLICY,
      policy: { connect: [{ id: "local", networks: ["127.0.0.1"] }] },
    });
    expect(await admin.policy("web")).toMatchObject({ guest: "web", policy: { guest: { argv: ["web"] } } });
    await expect(admin.policy("nobody")).rejects.toThrow("nobody has no policy of its own");
    const history = await admin.policyHistory();
    expect(history.map(({ revision, guest }) => ({ revision, guest }))).toEqual([
      { revision: 2, guest: "web" },
      { revision: 1, guest: undefined },
    ]);
  });

  it("shows counters, and says what it understands in an OpenAPI document", async () => {
    expect(await admin.counters()).toMatchObject({ violations: 0, guests: expect.any(Number) });
    const document = JSON.parse((await raw("GET", "/v1/openapi.json")).body);
    expect(document).toMatchObject({
      openapi: "3.1.0",
      paths: { "/v1/guests/{id}": { get: { operationId: "guest" } } },
      components: { schemas: { Guest: { required: expect.arrayContaining(["id", "pid"]) } } },
    });
  });

  it("refuses what it does not know, and says what is wrong with it", async () => {
    expect(await raw("GET", "/v1/gusts")).toMatchObject({ status: 404 });
    expect(await raw("GET", "/v1/guests?limit=0")).toMatchObject({ status: 400 });
    expect(await raw("GET", "/v1/guests?limt=5")).toMatchObject({ status: 400 });
    const wrong = await admin.streams({ limit: 5000 }).catch((error: unknown) => error);
    expect(wrong).toBeInstanceOf(AdminError);
    expect(wrong).toMatchObject({ status: 400, message: expect.stringContaining("must be <= 1000") });
  });

  it("is its own user's alone, and its file is gone with the monitor", async () => {
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    const other = hold(new Home(POLICY));
    const path = join(other.folder, "admin.sock");
    const monitor = await other.ready(["--admin", path]);
    monitor.kill("SIGTERM");
    expect(await monitor.exited).toMatchObject({ code: 0 });
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });
});

function raw(method: string, path: string): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath: socket, method, path }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      response.on("end", () => resolve({ status: response.statusCode, body }));
    });
    sent.on("error", reject);
    sent.end();
  });
}
