// UDP of ringway-agent --transparent: programs that know nothing of it send datagrams to whomever they like, in a
// network with nothing but lo. The host is a second such network, with addresses of its own.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { noCompiler, titled } from "../native/toolchain.ts";
import { heldForAll } from "../support/held.ts";
import { MonitorProgram, Program } from "../support/processes.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";
import { type Agent, attachedAgent, BUILD_MS, buildAgent, missing, startAgent } from "./agent.ts";
import { Network, noNetworks } from "./networks.ts";
import { PlayedUdp } from "./played-udp.ts";

const reason = noCompiler ?? noNetworks ?? missing("python3");
const noServer = missing("dnsmasq") ?? missing("dig");
const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

const POLICY = `version: 1
hosts:
  both.test: [203.0.113.1, "2001:db8::1"]
connect:
  - { id: no-web, deny: [203.0.113.0/24, "2001:db8::/32"], ports: 81, protocols: [udp] }
  - { allow: both.test, protocols: [tcp, udp] }
  - { allow: [203.0.113.0/24, 192.0.2.0/24, "2001:db8::/32"], protocols: [tcp, udp] }
`;
const HOST = `ip link set lo up
ip addr add 203.0.113.1/32 dev lo
ip addr add 203.0.113.2/32 dev lo
ip addr add 2001:db8::1/128 dev lo nodad
ip addr add 2001:db8::2/128 dev lo nodad`;
const FAMILIES = [
  { name: "IPv4", server: "203.0.113.1", second: "203.0.113.2", own: "10.0.2.15", denied: "EHOSTUNREACH" },
  { name: "IPv6", server: "2001:db8::1", second: "2001:db8::2", own: "fd00::15", denied: "EACCES" },
];

type Ports = Record<"echo" | "train" | "silent" | "closed", number>;
interface Heard {
  readonly heard: string;
  readonly bytes: number;
  readonly from: number;
}

describe.skipIf(reason !== undefined)(titled("ringway-agent --transparent, UDP", reason), () => {
  let program: string;
  let host: Network;
  let guest: Network;
  let path: string;
  let monitor: MonitorProgram;
  let servers: Program;
  let ports: Ports;
  let agent: Agent;

  const hold = heldForAll();
  beforeAll(async () => {
    program = buildAgent();
    host = hold(await Network.make(HOST));
    path = join(temporaryFolder("transparent-udp"), "attach.sock");
    const resolvConf = join(temporaryFolder("transparent-udp"), "resolv.conf");
    writeFileSync(resolvConf, "nameserver 127.0.0.1\n");
    const bind = `mount --bind ${resolvConf} "$(readlink -f /etc/resolv.conf)"; ip link set lo up`;
    guest = hold(await Network.make(bind, host, ["--mount"]));
    const addresses = FAMILIES.flatMap(({ server, second }) => [server, second]);
    const [command, ...words] = [...host.under, "python3", fixture("udp-servers.py"), ...addresses];
    servers = hold(new Program(command!, words));
    ports = JSON.parse(await servers.line("{")) as Ports;
    monitor = hold(await MonitorProgram.start(path, POLICY, { under: host.under }));
    agent = hold(await attachedAgent(program, path, ["--transparent"], guest.under));
  }, BUILD_MS);

  const words = (what: string, args: readonly unknown[]): string[] => [
    fixture("udp-program.py"),
    what,
    ...args.map((arg) => JSON.stringify(arg)),
  ];
  /** What the fixture's program says at its end, in this network. */
  async function says(where: Network, what: string, ...args: readonly unknown[]): Promise<unknown> {
    const said = await where.run("python3", ...words(what, args));
    return JSON.parse(said.trimEnd().split("\n").at(-1)!);
  }

  /** One that goes on, and what it says. */
  function begin(where: Network, what: string, ...args: readonly unknown[]): Program {
    const [command, ...more] = [...where.under, "python3", ...words(what, args)];
    return new Program(command!, more);
  }

  const heard = (): Heard[] =>
    servers.lines.filter((line) => line.includes("heard")).map((line) => JSON.parse(line) as Heard);
  const streams = async (of = monitor): Promise<number> =>
    (await of.ask<{ streams: number }>("counters")).streams;

  test.each(FAMILIES)(
    "over $name an answer comes from the address that was asked, to sockets that are connected or not",
    async ({ server, own }) => {
      for (const bytes of [1, 0, 1400, 65_507])
        for (const connected of [true, false])
          expect(await says(guest, "ask", server, ports.echo, bytes, connected)).toEqual([
            server,
            ports.echo,
            bytes,
            true,
            connected ? own : null,
          ]);
    },
  );

  test.each(FAMILIES)(
    "over $name what is sent at once (UDP_SEGMENT) comes as so many datagrams",
    async ({ server }) => {
      expect(await says(guest, "train", server, ports.train, 40, 1200)).toEqual([41, true, 1200]);
    },
  );

  test("a train is one frame, and waits whole where the host's ring is full", async () => {
    using network = await Network.make("ip link set lo up", host);
    const socket = join(temporaryFolder("transparent-udp"), "attach.sock");
    using played = new PlayedUdp(socket);
    await using _agent = await attachedAgent(program, socket, ["--transparent"], network.under);
    using sender = begin(network, "trains", "203.0.113.1", 9, 48, 1200);
    await sender.line("ready");
    const bytes = 48 * 1200;
    const come = (): number => played.sent.reduce((sum, { data }) => sum + data.length, -"first".length);
    sender.child.stdin!.write("\n");
    await until("the first", () => come() === bytes);
    expect(played.sent.map(({ segment, data }) => [segment, data.length])).toEqual([
      [0, 5],
      [1200, bytes],
    ]);
    played.isReading = false;
    for (const trains of [1, 2]) {
      sender.child.stdin!.write("\n");
      await until("the next in the ring", () => played.unread >= trains * bytes);
    }
    // Its first datagrams have room, and the others have none.
    sender.child.stdin!.write("\n");
    await until("what there is room for", () => played.unread > 2 * bytes + 1200);
    played.readOn();
    await until("all of them", () => come() >= 4 * bytes);
  });

  test.each(FAMILIES)("over $name one socket asks several servers", async ({ server, second }) => {
    const targets = [server, second].map((address) => [address, ports.echo]);
    expect(await says(guest, "all", targets)).toEqual([
      ["00000", server, ports.echo],
      ["00001", second, ports.echo],
    ]);
  });

  test.each(FAMILIES)(
    "over $name a connected socket hears that nobody listens, or that the policy refuses; another hears nothing",
    async ({ server, denied }) => {
      const to = (port: number): Promise<unknown[]> =>
        Promise.all([true, false].map((connected) => says(guest, "error", server, port, connected)));
      const direct = await Promise.all(
        [true, false].map((connected) => says(host, "error", server, ports.closed, connected)),
      );
      expect(direct).toEqual(["ECONNREFUSED", "nothing"]);
      expect(await to(ports.closed)).toEqual(direct);
      expect(await to(81)).toEqual([denied, "nothing"]);
    },
  );

  test("a refusal is in the log, with the program and the rule", async () => {
    using network = await Network.make("ip link set lo up", host);
    await using own = await attachedAgent(program, path, ["--transparent"], network.under);
    expect(await says(network, "error", "203.0.113.1", 81, true)).toBe("EHOSTUNREACH");
    const [line] = await own.said(/^.*transparent UDP to .*$/m);
    expect(line).toMatch(
      /transparent UDP to 203\.0\.113\.1:81, for python3\S* \(pid \d+\): Permission denied: .*"no-web"/,
    );
  });

  test("a name's own address is the name to the host, and answers come from it", async () => {
    const [found] = (await guest.run("getent", "ahostsv4", "both.test")).split(/\s/);
    expect(found).toMatch(/^198\.1[89]\./);
    const [from, port, , same] = (await says(guest, "ask", found, ports.echo, 5, false)) as unknown[];
    expect([from, port, same]).toEqual([found, ports.echo, true]);
    expect(await says(guest, "error", "198.19.255.254", ports.echo, false)).toBe("nothing"); // of no name
  });

  test("200 datagrams one behind the other come in their order, and each once", async () => {
    const numbers = (await says(guest, "burst", "203.0.113.2", ports.echo, 200)) as number[];
    expect(numbers[0]).toBe(0);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  });

  test("while no monitor is there a few datagrams wait, in their order, and the newest are dropped and counted", async () => {
    using network = await Network.make("ip link set lo up", host);
    const socket = join(temporaryFolder("transparent-udp"), "attach.sock");
    const options = ["--transparent", "--hold-ms", "60000"];
    await using own = await startAgent(program, ["--socket", socket], options, network.under);
    using sender = begin(network, "burst", "203.0.113.1", ports.echo, 100);
    await own.said(/\d+ datagrams? (was|were) dropped: /);
    await sender.line("sent");
    using late = await MonitorProgram.start(socket, POLICY, { under: host.under });
    await sender.exited;
    expect(JSON.parse(sender.lines.at(-1)!)).toEqual(Array.from({ length: 16 }, (_, i) => i));
    expect(late.isOver).toBe(false);
  });

  test("without a monitor a connected socket hears nothing, as where a router has no route", async () => {
    using network = await Network.make("ip link set lo up", host);
    const options = ["--transparent", "--hold-ms", "0"];
    await using own = await startAgent(program, ["--socket", "/nonexistent.sock"], options, network.under);
    expect(await says(network, "error", "203.0.113.1", ports.echo, false)).toBe("nothing");
    expect(own.pid).toBeGreaterThan(0);
  });

  test("more flows than there may be: the one that was used longest ago makes room, and begins anew", async () => {
    using network = await Network.make("ip link set lo up", host);
    const socket = join(temporaryFolder("transparent-udp"), "attach.sock");
    using other = await MonitorProgram.start(socket, POLICY, { under: host.under });
    const options = ["--transparent", "--streams", "16", "--names", "off"];
    await using own = await attachedAgent(program, socket, options, network.under);
    for (const { server } of FAMILIES) expect(await says(network, "many", server, ports.echo, 20)).toBe(21);
    await until("the streams of four flows", async () => (await streams(other)) === 4);
    expect(own.pid).toBeGreaterThan(0);
  });

  test("a flow ends with the host's time limit, or when nobody takes its answer, and the next datagram begins one", async () => {
    using network = await Network.make("ip link set lo up", host);
    const socket = join(temporaryFolder("transparent-udp"), "attach.sock");
    const hasty = `${POLICY}timeouts: { udpIdleMs: 200 }\n`;
    using other = await MonitorProgram.start(socket, hasty, { under: host.under });
    const options = ["--transparent", "--names", "off"];
    await using own = await attachedAgent(program, socket, options, network.under);
    using asks = begin(network, "slow", "203.0.113.1", ports.echo);
    await asks.line("asked");
    await until("its stream to end", async () => (await streams(other)) === 0);
    asks.child.stdin!.write("\n");
    await asks.exited;
    expect(JSON.parse(asks.lines.at(-1)!)).toEqual(["first", "second"]);
    expect(own.pid).toBeGreaterThan(0);
  });

  test("a program that is gone when its answer comes leaves no flow behind", async () => {
    using network = await Network.make("ip link set lo up", host);
    const socket = join(temporaryFolder("transparent-udp"), "attach.sock");
    using other = await MonitorProgram.start(socket, POLICY, { under: host.under });
    const options = ["--transparent", "--names", "off"];
    await using own = await attachedAgent(program, socket, options, network.under);
    const before = heard().length;
    expect(await says(network, "gone", "203.0.113.1", ports.echo)).toBe("closed");
    await until("the server to hear it", () => heard().length > before);
    await until("its stream to end", async () => (await streams(other)) === 0);
    expect(own.pid).toBeGreaterThan(0);
  });

  test("groups, broadcasts and the guest's own addresses are not the host's", async () => {
    const before = await streams();
    for (const target of ["224.0.0.251", "255.255.255.255"])
      expect(["nothing", "EACCES", "ENETUNREACH"]).toContain(await says(guest, "error", target, 5353, false));
    expect(await says(guest, "error", "127.0.0.1", ports.echo, true)).toBe("ECONNREFUSED");
    expect(await says(guest, "error", "10.0.2.15", ports.echo, true)).toBe("ECONNREFUSED");
    expect(await streams()).toBeLessThanOrEqual(before);
    expect(agent.pid).toBeGreaterThan(0);
  });

  test.skipIf(noServer !== undefined)(
    titled("dig asks a name server of the host's world that it names itself, by UDP and TCP", noServer),
    async () => {
      const options = ["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root"];
      const where = [
        "--port=53",
        "--bind-interfaces",
        ...FAMILIES.map(({ server }) => `--listen-address=${server}`),
      ];
      const zone = ["--host-record=one.test,192.0.2.7", "--edns-packet-max=4096"];
      const many = Array.from({ length: 60 }, (_, i) => `--host-record=many.test,10.0.0.${i}`);
      const [command, ...args] = [...host.under, "dnsmasq", ...options, ...where, ...zone, ...many];
      using server = new Program(command!, args);
      await until("dnsmasq", () => server.errors.includes("started") || server.isOver);
      for (const { server: at } of FAMILIES) {
        const dig = (...more: string[]): Promise<string> =>
          guest.run("dig", "+short", "+tries=1", "+time=9", "+bufsize=4096", `@${at}`, ...more);
        expect(await dig("+notcp", "one.test")).toBe("192.0.2.7\n");
        expect(await dig("+tcp", "one.test")).toBe("192.0.2.7\n");
        expect((await dig("+notcp", "+ignore", "many.test")).trim().split("\n")).toHaveLength(60);
      }
    },
  );

  test.skipIf(missing("iperf3") !== undefined)(
    titled("iperf3 -u has its figures, both ways", missing("iperf3")),
    async () => {
      const [command, ...args] = [...host.under, "iperf3", "-s", "--forceflush", "-B", "203.0.113.1"];
      using server = new Program(command!, args);
      await server.line("listening");
      for (const way of [[], ["-R"]]) {
        const client = ["-c", "203.0.113.1", "-u", "-b", "5M", "-l", "1200", "-t", "1", "-J", ...way];
        const said = JSON.parse(await guest.run("iperf3", ...client));
        expect(said.error).toBe(undefined);
        expect(said.end.sum.packets).toBeGreaterThan(100);
        expect(said.end.sum.lost_packets).toBeLessThan(said.end.sum.packets / 2);
      }
    },
  );

  test("of a monitor that ends the flows are over, and with the next one there are new ones", async () => {
    using network = await Network.make("ip link set lo up", host);
    const socket = join(temporaryFolder("transparent-udp"), "attach.sock");
    const began = (): Promise<MonitorProgram> => MonitorProgram.start(socket, POLICY, { under: host.under });
    using first = await began();
    const options = ["--transparent", "--hold-ms", "60000"];
    await using own = await attachedAgent(program, socket, options, network.under);
    using asks = begin(network, "slow", "203.0.113.1", ports.echo);
    await asks.line("asked");
    first[Symbol.dispose]();
    await own.said(/the monitor hung up: /);
    asks.child.stdin!.write("\n");
    using second = await began();
    await asks.exited;
    expect(JSON.parse(asks.lines.at(-1)!)).toEqual(["first", "second"]);
    expect(second.isOver).toBe(false);
  });
});
