// ringway capture on a real monitor: what tshark makes of the captures of programs that know nothing of Ringway, JSON
// lines, files one after another, a disk that is full; and clients of the endpoint that read nothing.

import { readdirSync, readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { Guest } from "@ringway/guest";
import { AdminClient } from "@ringway/monitor";
import { beforeAll, describe, expect, test } from "vitest";
import { BUILD_MS, missing } from "../agent/agent.ts";
import { titled } from "../native/toolchain.ts";
import { buildStaticAgent, HostServer, noRun, startRun } from "../run/inside.ts";
import { KiB, MiB, pattern } from "../support/bytes.ts";
import { nameServer } from "../support/dns.ts";
import { heldForAll } from "../support/held.ts";
import { Program } from "../support/processes.ts";
import { Home, RINGWAY } from "../support/ringway.ts";
import { echoServer, freePort, readAll, type TestServer, tcpServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";

const POLICY = `version: 1
connect:
  - { id: local, allow: 127.0.0.1, protocols: [tcp, udp] }
`;

const hold = heldForAll();
let home: Home;
let socket: string;
let echo: TestServer;
let guest: Guest;
let monitor: Program;

beforeAll(async () => {
  home = hold(new Home(POLICY));
  socket = join(home.folder, "admin.sock");
  monitor = await home.ready(["--admin", socket]);
  echo = hold(await echoServer());
  guest = hold(await Guest.attach(home.path));
});

/** `ringway capture`, once all that there is is followed. */
async function capturing(...args: string[]): Promise<Program> {
  const program = new Program(process.execPath, [RINGWAY, "capture", "--admin", socket, ...args], {
    env: { NODE_OPTIONS: "" },
  });
  await until("the capture", () => program.errors.includes("capturing") || program.isOver, 30_000);
  return program;
}

async function talk(bytes: Uint8Array | string = "hello"): Promise<void> {
  const connection = await guest.connect({ host: "127.0.0.1", port: echo.port });
  const echoed = readAll(connection);
  connection.end(bytes);
  await echoed;
}

const reason = noRun ?? missing("tshark") ?? missing("curl") ?? missing("iperf3") ?? missing("dig");
describe.skipIf(reason !== undefined)(titled("tshark on a capture of curl, iperf3 and dig", reason), () => {
  const file = (): string => join(home.folder, "programs.pcapng");
  let web: HostServer;
  let perfPort: number;
  let dns: Awaited<ReturnType<typeof nameServer>>;
  let dnsPort: number;
  /** As iperf3's server has counted them. */
  let received: number;

  const tshark = async (...args: string[]): Promise<string> => {
    const as = ["-d", `tcp.port==${web.port},http`, "-d", `udp.port==${dnsPort},dns`];
    const { code, stdout, stderr } = await new Program("tshark", ["-n", "-r", file(), ...as, ...args]).ended;
    if (code !== 0) throw new Error(`tshark: ${code}\n${stderr}`);
    return stdout;
  };

  beforeAll(async () => {
    buildStaticAgent();
    web = hold(await HostServer.start(() => "a page of the host\n"));
    dns = hold(await nameServer({ "one.test": ["192.0.2.7"] }));
    dnsPort = Number(/:(\d+)$/.exec(String(dns.names.nameServers?.[0]))![1]);
    perfPort = await freePort();
    const server = hold(
      new Program("iperf3", ["-s", "--forceflush", "-B", "127.0.0.1", "-p", String(perfPort)]),
    );
    await server.line("listening");
    using capture = await capturing("-w", file(), "--pace");
    const script = [
      `curl -sS http://host.ringway:${web.port}/page`,
      `iperf3 -c host.ringway -p ${perfPort} -n 4M -J`,
      `dig +short +tries=1 +time=9 @host.ringway -p ${dnsPort} one.test`,
    ];
    const ran = await startRun(["--attach", home.path], ["sh", "-c", script.join("; ")], { input: "" }).ended;
    expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining("a page of the host") });
    received = Number(/"sum_received":\s*\{[^}]*?"bytes":\s*(\d+)/.exec(ran.stdout)![1]);
    capture.child.kill("SIGINT");
    expect(await capture.ended).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/ packets of \d+ conv/),
    });
  }, BUILD_MS);

  test("nothing in it is malformed, no checksum wrong, and no byte missing", async () => {
    const checks = ["ip", "tcp", "udp"].flatMap((name) => ["-o", `${name}.check_checksum:TRUE`]);
    const wrong = ["ip", "tcp", "udp"].map((name) => `${name}.checksum.status == 0`);
    const missed = ["_ws.malformed", "tcp.analysis.lost_segment", "tcp.analysis.ack_lost_segment"];
    expect(await tshark(...checks, "-Y", [...wrong, ...missed].join(" || "))).toBe("");
  });

  test("it follows the page that curl had", async () => {
    expect(await tshark("-Y", "http.response", "-T", "fields", "-e", "http.response.code")).toBe("200\n");
    const number = (await tshark("-Y", "http.request", "-T", "fields", "-e", "tcp.stream")).trim();
    const followed = await tshark("-q", "-z", `follow,tcp,ascii,${number}`);
    expect(followed).toContain("GET /page HTTP/1.1");
    expect(followed).toContain("a page of the host");
    const said = await tshark("-Y", `tcp.stream == ${number}`, "-T", "fields", "-e", "frame.comment");
    expect(said).toMatch(/guest guest-\d+, rule local, stream \S+, tcp-connect \S+/);
    expect(said).toContain("closed: Fin");
  });

  test("and has iperf3's bytes, and dig's question with its answer", async () => {
    const lengths = await tshark("-Y", `tcp.dstport == ${perfPort}`, "-T", "fields", "-e", "tcp.len");
    const sum = lengths.split("\n").reduce((total, line) => total + Number(line), 0);
    expect(received).toBeGreaterThan(0);
    expect(sum).toBeGreaterThanOrEqual(received);
    const fields = ["-T", "fields", "-e", "dns.qry.name", "-e", "dns.a"];
    expect(await tshark("-Y", "dns.flags.response == 1", ...fields)).toContain("one.test\t192.0.2.7");
  });
});

describe("ringway capture", () => {
  test("writes JSON lines, of as much of each piece as is asked for", async () => {
    const file = join(home.folder, "lines.json");
    using capture = await capturing("--json", "-w", file, "--snaplen", "3", `127.0.0.1:${echo.port}`);
    await talk();
    await until("its end", () => readFileSync(file, "utf8").includes('"closed"'));
    capture.child.kill("SIGTERM");
    expect((await capture.ended).code).toBe(0);
    const lines = readFileSync(file, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as object);
    const hel = Buffer.from("hel").toString("base64");
    expect(lines).toMatchObject([
      { kind: "opened", guest: "guest-1", rule: "local", time: expect.stringMatching(/\.\d{9}Z$/) },
      { kind: "data", from: "initiator", bytes: 5, data: hel },
      { kind: "data", from: "responder", bytes: 5, data: hel },
      { kind: "closed", closed: "Fin" },
    ]);
  });

  test("begins another file when one is large enough, and each is whole", async () => {
    const stem = join(home.folder, "many.pcapng");
    using capture = await capturing("-w", stem, "--rotate-size", "64K", "--pace");
    await talk(pattern(512 * KiB));
    const written = (): string[] => readdirSync(home.folder).filter((name) => name.startsWith("many-"));
    await until("three files", () => written().length > 2);
    capture.child.kill("SIGINT");
    await capture.ended;
    const files = written().sort();
    expect(files[0]).toBe("many-00001.pcapng");
    for (const name of files) {
      expect(readFileSync(join(home.folder, name)).subarray(0, 4).toString("hex")).toBe("0a0d0d0a");
    }
  });

  test("ends with an error where the disk is full, and no flow with it", async () => {
    const connection = await guest.connect({ host: "127.0.0.1", port: echo.port });
    using capture = new Program(process.execPath, [RINGWAY, "capture", "--admin", socket, "-w", "/dev/full"]);
    expect(await capture.ended).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/\/dev\/full: ENOSPC/),
    });
    const echoed = readAll(connection);
    connection.end("goes on");
    expect(String(await echoed)).toBe("goes on");
  });
});

describe("a client of the endpoint", () => {
  const ask = (query: string): Socket => {
    const client = connect(socket);
    client.on("error", () => {});
    client.write(`GET /v1/conversations?${query} HTTP/1.1\r\nhost: x\r\n\r\n`);
    return client;
  };
  const memory = (): number => {
    const status = readFileSync(`/proc/${monitor.child.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * KiB;
  };

  test("that reads nothing loses what it has no room for, in bounded memory; a 17th is refused", async () => {
    await talk();
    const before = memory();
    const clients = Array.from({ length: 16 }, () => ask("whenSlow=drop"));
    using admin = new AdminClient({ socket });
    const refused = await until("all to be there", async () => {
      const events = admin.conversations({ guest: "nobody" });
      const error = await events.next().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      await events.return(undefined);
      return error;
    });
    expect(refused).toMatchObject({ status: 429, code: "ERR_RINGWAY_FOLLOWERS" });
    await using sink = await tcpServer((each) => each.resume().once("end", () => each.end()));
    const connection = await guest.connect({ host: "127.0.0.1", port: sink.port });
    const ended = readAll(connection);
    connection.end(Buffer.alloc(64 * MiB));
    await ended;
    expect(memory() - before).toBeLessThan(200 * MiB);
    for (const client of clients) client.destroy();
  });

  test("that paces and reads nothing holds its streams, and no others, until it is gone", async () => {
    await using sink = await tcpServer((each) => each.resume().once("end", () => each.end()));
    const client = ask(`whenSlow=backpressure&match=*:${sink.port}`);
    client.once("data", () => client.pause());
    await until("it to be answered", () => client.isPaused());
    const connection = await guest.connect({ host: "127.0.0.1", port: sink.port });
    const ended = readAll(connection);
    connection.end(Buffer.alloc(64 * MiB));
    await talk("beside it");
    expect(connection.writableLength).toBeGreaterThan(0);
    client.destroy();
    await ended;
  });

  test("that asks for what cannot be is told", async () => {
    using admin = new AdminClient({ socket });
    const asked = async (options: object): Promise<unknown> =>
      await admin
        .conversations(options)
        .next()
        .catch((error: unknown) => error);
    expect(await asked({ protocol: "sctp" })).toMatchObject({ status: 400 });
    expect(await asked({ match: "x".repeat(300) })).toMatchObject({ status: 400 });
  });
});
