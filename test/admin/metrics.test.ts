// The metrics of a real monitor: numbers of real guests, taken by promtool and by a real Prometheus, for which a
// scraper that means ill costs little. docs/operate.md and the dashboard speak of what is served, and of nothing else.

import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { Guest } from "@ringway/guest";
import { AdminClient } from "@ringway/monitor";
import { beforeAll, describe, expect, it } from "vitest";
import { missing } from "../agent/agent.ts";
import { titled } from "../native/toolchain.ts";
import { heldForAll } from "../support/held.ts";
import type { Program } from "../support/processes.ts";
import { Home, ROOT, start } from "../support/ringway.ts";
import { echoServer, freePort, type TestServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";
const POLICY = `version: 1
connect:
  - { id: no-smtp, deny: 127.0.0.1, ports: 25 }
  - { id: local, allow: 127.0.0.1 }
limits: { fileBytesWritten: 4 }
`;
const hold = heldForAll();
let home: Home;
let monitor: Program;
let admin: AdminClient;
let web: Guest;
let echo: TestServer;
let port: number;
let token: string;

beforeAll(async () => {
  home = hold(new Home(`${POLICY}files:\n  - { id: data, guest: /data, host: data, access: rw }\n`));
  mkdirSync(join(home.folder, "data"));
  token = join(home.folder, "token");
  writeFileSync(token, TOKEN, { mode: 0o600 });
  const socket = join(home.folder, "admin.sock");
  port = await freePort();
  monitor = await home.ready([
    ...["--admin", socket, "--admin-http", `127.0.0.1:${port}`, "--admin-token", token],
    ...["--listen", `web=${join(home.folder, "web.sock")},label=team=a "quoted" \\ one,label=guest=x`],
  ]);
  admin = hold(new AdminClient({ socket }));
  echo = hold(await echoServer());
  web = hold(await Guest.attach(join(home.folder, "web.sock")));
});

/** By name and labels, as they stand in the text. */
function samplesIn(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]));
}

/** Of a scrape that has what is waited for: one may be a second old. */
async function scraped(what: string, has: (samples: Map<string, number>) => boolean) {
  return await until(what, async () => {
    const samples = samplesIn(await admin.metrics());
    return has(samples) ? samples : undefined;
  });
}

describe("the metrics", () => {
  it("count by guest, protocol, rule and quota what guests do, and go on where one comes back", async () => {
    const connection = await web.connect(echo.port, "127.0.0.1");
    connection.write("hello, ringway");
    await once(connection, "data");
    await expect(web.connect(25, "127.0.0.1")).rejects.toThrow("no-smtp");
    await expect(web.writeFile("/data/a", "too much")).rejects.toMatchObject({ code: "EDQUOT" });
    const tcp = `guest="web",protocol="tcp-connect"`;
    const bytes = `ringway_bytes_total{${tcp},direction="to_host"}`;
    const samples = await scraped("its bytes", (found) => found.get(bytes) === 14);
    const value = (name: string): number | undefined => samples.get(name);
    expect(value(`ringway_guests{guest="web"}`)).toBe(1);
    expect(value(`ringway_bytes_total{${tcp},direction="to_guest"}`)).toBe(14);
    expect(value(`ringway_streams_opened_total{${tcp}}`)).toBe(1);
    expect(value(`ringway_streams_open{${tcp}}`)).toBe(1);
    expect(value(`ringway_refusals_total{${tcp},rule="no-smtp"}`)).toBe(1);
    const { quotaFileBytes } = await admin.counters();
    expect(quotaFileBytes).toBeGreaterThan(0);
    expect(value(`ringway_quota_hits_total{guest="web",quota="file_bytes"}`)).toBe(quotaFileBytes);
    expect(value(`ringway_connect_seconds_count{protocol="tcp-connect"}`)).toBe(1);
    expect(value(`ringway_connect_seconds_bucket{protocol="tcp-connect",le="+Inf"}`)).toBe(1);
    expect(value(`ringway_disk_operations{state="waiting"}`)).toBe(0);
    expect(value(`ringway_doorbells_total{guest="web",direction="to_host"}`)).toBeGreaterThan(0);
    expect(value(`ringway_doorbells_total{guest="web",direction="to_guest"}`)).toBeGreaterThan(0);
    expect(value(`ringway_ring_capacity_bytes{guest="web",direction="to_host"}`)).toBeGreaterThan(0);
    const info = `ringway_guest_info{guest="web",label_team="a \\"quoted\\" \\\\ one",label_guest="x"}`;
    expect(value(info)).toBe(1);
    connection.destroy();
    {
      await using again = await Guest.attach(join(home.folder, "web.sock"));
      const other = await again.connect(echo.port, "127.0.0.1");
      other.write("more");
      await once(other, "data");
      other.destroy();
    }
    await scraped("both of them", (found) => found.get(bytes) === 18);
    await scraped(
      "the reactor's lag",
      (found) => found.get(`ringway_reactor_lag_seconds_count{reactor="0"}`)! > 1,
    );
  });

  it("are all in the table of docs/operate.md, with their types and labels, and no others", async () => {
    const text = await admin.metrics();
    const served = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`);
    const labels = new Map<string, Set<string>>();
    for (const [, name, inside] of text.matchAll(/^(\w+?)(?:_bucket)?\{(.*)\} \S+$/gm)) {
      const known = labels.get(name!) ?? new Set();
      for (const [, label] of inside!.matchAll(/(\w+)="/g)) if (label !== "le") known.add(label!);
      labels.set(name!, known);
    }
    const document = readFileSync(join(ROOT, "docs/operate.md"), "utf8");
    const rows = [...document.matchAll(/^\| `(ringway_\w+|process_\w+)` \| (\w+) \| (.*?) \|/gm)];
    expect(rows.map(([, name, type]) => `${name} ${type}`)).toEqual(served);
    for (const [, name, , told] of rows) {
      const known = [...told!.matchAll(/`(\w+)`/g)].map(([, label]) => label!);
      for (const label of labels.get(name!) ?? []) {
        expect(label.startsWith("label_") ? ["guest"] : known, `${name}: ${label}`).toContain(
          label.startsWith("label_") ? "guest" : label,
        );
      }
    }
  });

  it("are all that the dashboard asks for", async () => {
    const text = await admin.metrics();
    const served = new Set([...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name!));
    const dashboard = readFileSync(join(ROOT, "etc/grafana.json"), "utf8");
    const asked = [...JSON.stringify(JSON.parse(dashboard)).matchAll(/\b(?:ringway|process)_\w+/g)];
    expect(asked.length).toBeGreaterThan(10);
    for (const [name] of asked) expect(served).toContain(name.replace(/_(?:bucket|sum|count)$/, ""));
  });

  it("are for who has the token, over TCP", async () => {
    const url = `http://127.0.0.1:${port}/metrics`;
    expect(await fetch(url)).toMatchObject({ status: 401 });
    const headers = {
      authorization: `Bearer ${TOKEN}`,
      accept: "application/openmetrics-text;version=1.0.0",
    };
    const response = await fetch(url, { headers });
    expect(response.headers.get("content-type")).toMatch(/^application\/openmetrics-text; version=1.0.0/);
    expect(await response.text()).toMatch(/# TYPE ringway_bytes counter\n[\s\S]*\n# EOF\n$/);
  });
});

function memory(): number {
  const status = readFileSync(`/proc/${monitor.child.pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

it("fifty that scrape at once, again and again, and read nothing cost little, and keep nobody out", async () => {
  const before = memory();
  const scrape = `GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${TOKEN}\r\n\r\n`;
  const attackers: Socket[] = [];
  const connection = await web.connect(echo.port, "127.0.0.1");
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 50; i++) {
      const socket = connect(port, "127.0.0.1").pause();
      socket.on("error", () => {});
      socket.write(scrape);
      attackers.push(socket);
    }
    connection.write("ping");
    expect(String((await once(connection, "data"))[0])).toBe("ping");
    expect(await admin.metrics()).toContain("ringway_guests");
  }
  expect(memory() - before).toBeLessThan(100 * 1024 * 1024);
  for (const socket of attackers) socket.destroy();
  connection.destroy();
});

const noPrometheus = missing("prometheus") ?? missing("promtool");

describe.skipIf(noPrometheus !== undefined)(titled("Prometheus", noPrometheus), () => {
  it("finds nothing to say against the text (promtool check metrics)", async () => {
    const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], {
      input: await admin.metrics(),
      encoding: "utf8",
    });
    expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: "" });
  });

  it("scrapes it with the token, as OpenMetrics, and has its numbers", async () => {
    const own = await freePort();
    const config = join(home.folder, "prometheus.yml");
    writeFileSync(
      config,
      [
        "scrape_configs:",
        "  - job_name: ringway",
        "    scrape_interval: 1s",
        `    authorization: { credentials_file: ${token} }`,
        `    static_configs: [{ targets: ["127.0.0.1:${port}"] }]`,
      ].join("\n"),
    );
    start([
      "prometheus",
      ...[`--config.file=${config}`, `--storage.tsdb.path=${join(home.folder, "tsdb")}`],
      ...[`--web.listen-address=127.0.0.1:${own}`, "--log.level=warn"],
    ]);
    const ask = async (path: string): Promise<unknown> => {
      const response = await fetch(`http://127.0.0.1:${own}/api/v1/${path}`).catch(() => undefined);
      return response?.ok === true ? ((await response.json()) as { data: unknown }).data : undefined;
    };
    const query =
      encodeURIComponent(`sum by (guest, team) (ringway_streams_opened_total{guest="web"} * on (guest)
      group_left (team) label_replace(ringway_guest_info, "team", "$1", "label_team", "(.).*"))`);
    const data = await until("its numbers", async () => {
      const found = (await ask(`query?query=${query}`)) as { result: readonly object[] } | undefined;
      return found !== undefined && found.result.length > 0 ? found : undefined;
    });
    expect(data.result).toMatchObject([{ metric: { guest: "web", team: "a" } }]);
    const { activeTargets } = (await ask("targets")) as { activeTargets: readonly object[] };
    expect(activeTargets).toMatchObject([{ health: "up", lastError: "" }]);
    const metadata = (await ask("metadata?metric=ringway_bytes")) as Record<string, readonly object[]>;
    // The name of a counter is without _total in OpenMetrics alone: this is what was read.
    expect(metadata.ringway_bytes).toMatchObject([{ type: "counter" }]);
  });
});
