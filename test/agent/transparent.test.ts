// ringway-agent --transparent: programs that know nothing of it, in a network with nothing but lo. The host is a second
// such network, with addresses and routes of its own, in which the monitor runs; what a program sees through the agent
// is compared with what it sees there.

import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { start } from "../native/rwcat-process.ts";
import { noCompiler, run, titled } from "../native/toolchain.ts";
import { heldForAll } from "../support/held.ts";
import { MonitorProgram, Program } from "../support/processes.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";
import { type Agent, attachedAgent, BUILD_MS, buildAgent, missing, startAgent } from "./agent.ts";
import { Network, noNetworks } from "./networks.ts";

const reason = noCompiler ?? noNetworks ?? missing("python3") ?? missing("curl");
const noDig = missing("dig");
const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

const POLICY = `version: 1
connect:
  - { id: no-name, deny: denied.test }
  - { allow: "*.test", resolvesTo: [203.0.113.0/24, "2001:db8::/32"], ports: 1024-65535 }
  - { id: no-web, deny: [203.0.113.0/24, "2001:db8::/32"], ports: 81 }
  - { allow: [203.0.113.0/24, 198.51.100.0/24, 192.0.2.0/24, "2001:db8::/32", "2001:db9::/32"] }
timeouts: { connectMs: 400 }
`;
const HOST = `ip link set lo up
ip addr add 203.0.113.1/32 dev lo
ip addr add 203.0.113.2/32 dev lo
ip addr add 2001:db8::1/128 dev lo nodad
ip addr add 2001:db8::2/128 dev lo nodad
ip route add unreachable 198.51.100.0/24
ip -6 route add unreachable 2001:db8:5::/48`;
/** Of each family: an address with servers, one without a route, one that a route says is unreachable. */
const IPV4 = {
  name: "IPv4",
  server: "203.0.113.1",
  second: "203.0.113.2",
  lost: "192.0.2.1",
  far: "198.51.100.1",
  own: "10.0.2.15",
  told: "EHOSTUNREACH", // where the policy refuses
};
const IPV6 = {
  name: "IPv6",
  server: "2001:db8::1",
  second: "2001:db8::2",
  lost: "2001:db9::1",
  far: "2001:db8:5::1",
  own: "fd00::15",
  told: "EACCES",
};
const FAMILIES = [IPV4, IPV6];

/** An interface of whichever kind the kernel has. */
const A_CARD = `ip link add card type bridge || ip link add card type ifb || ip link add card type veth
ip link set card up`;
const noCard =
  run("unshare", ["-Urn", "sh", "-ec", A_CARD]).status === 0 ? undefined : "no other interfaces here";

const RESOLVER = { nameServers: ["127.0.0.1"] };

type Ports = Record<"http" | "count" | "reset" | "heard" | "echo" | "silent" | "closed", number>;

describe.skipIf(reason !== undefined)(titled("ringway-agent --transparent", reason), () => {
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
    guest = hold(await Network.make("ip link set lo up", host));
    path = join(temporaryFolder("transparent"), "attach.sock");
    const [command, ...words] = [...host.under, "python3", fixture("tcp-servers.py"), "names"];
    servers = hold(new Program(command!, words));
    ports = JSON.parse(await servers.line("{")) as Ports;
    const options = { names: RESOLVER };
    monitor = hold(await MonitorProgram.start(path, POLICY, { under: host.under, options }));
    agent = hold(await attachedAgent(program, path, ["--transparent"], guest.under));
  }, BUILD_MS);

  /** What the fixture's program says, in this network. */
  async function says(where: Network, what: string, ...args: readonly unknown[]): Promise<unknown> {
    const words = args.map((word) => JSON.stringify(word));
    return JSON.parse(await where.run("python3", fixture("tcp-program.py"), what, ...words));
  }

  /** Of an agent that does nothing there is one, for names. */
  const RESTING = 1;
  const streams = async (): Promise<number> => (await monitor.ask<{ streams: number }>("counters")).streams;

  test.each(FAMILIES)("curl reaches a server over $name, without a setting", async ({ name, server }) => {
    const at = name === "IPv6" ? `[${server}]` : server;
    const url = `http://${at}:${ports.http}/`;
    expect(await guest.run("curl", "-sS", "-m", "20", "--noproxy", "*", url)).toBe(`hello ${server}\n`);
  });

  test("a refusal is EHOSTUNREACH over IPv4 and EACCES over IPv6; the log has why and for whom", async () => {
    const targets = FAMILIES.map(({ server }) => [server, 81]);
    expect(await says(guest, "errors", targets)).toEqual([
      ["EHOSTUNREACH", "EHOSTUNREACH"],
      ["EACCES", "EACCES"],
    ]);
    await using own = await another();
    const running = own.network.start("curl", ["-sS", "--noproxy", "*", "http://203.0.113.1:81/"]);
    const [line] = await own.agent.said(/^.*transparent to .*$/m);
    expect(line).toBe(
      `ringway-agent: transparent to 203.0.113.1:81, for curl (pid ${running.child.pid}): Permission denied: ` +
        'connecting to 203.0.113.1:81 is denied by rule "no-web" (203.0.113.0/24)',
    );
    expect((await running.done).code).toBe(7);
  });

  test.each(FAMILIES)("over $name a half-close passes both ways", async ({ server }) => {
    expect(await says(guest, "half", server, ports.count, 300_000)).toEqual(["300000", "end"]);
  });

  test.each(FAMILIES)("over $name a RST passes both ways, behind the bytes before it", async ({ server }) => {
    expect(await says(guest, "reset", server, ports.reset)).toEqual([1000, "reset"]);
    const heard = (): string[] => servers.lines.filter((line) => line.includes("heard"));
    const before = heard().length;
    await says(guest, "break", server, ports.heard, 100_000);
    const told = await until("what the server heard", () => heard()[before]);
    expect(JSON.parse(told)).toEqual({ heard: 100_000, how: "reset" });
  });

  test.each(FAMILIES)(
    "200 connects over $name at once: each has its own bytes, and the ends that it expects",
    async ({ server, own }) => {
      expect(await says(guest, "many", server, ports.echo, 200)).toEqual({
        peers: [[server, ports.echo]],
        owns: [own],
        echoed: 200,
      });
    },
  );

  test.each(FAMILIES)(
    "over $name one port of a program's has a connection to each of two servers",
    async ({ server, second }) => {
      const targets = [server, second].map((address) => [address, ports.echo]);
      for (let turn = 0; turn < 5; turn++)
        expect(await says(guest, "same", targets)).toEqual(["00000", "00001"]);
    },
  );

  test("a program of the guest reaches the guest's own servers, at loopback and at its own address", async () => {
    const [command, ...words] = [...guest.under, "python3", fixture("tcp-servers.py")];
    using inside = new Program(command!, words);
    const { http } = JSON.parse(await inside.line("{")) as Ports;
    for (const at of ["127.0.0.1", "[::1]", "10.0.2.15", "[fd00::15]"]) {
      const heard = await guest.run("curl", "-sS", "-m", "20", "--noproxy", "*", `http://${at}:${http}/`);
      expect(heard).toMatch(/^hello /);
    }
  });

  test("1000 connections leave nothing behind, in the agent and at the monitor", async () => {
    const descriptors = (): number => readdirSync(`/proc/${agent.pid}/fd`).length;
    await until("the streams of before to end", async () => (await streams()) === RESTING);
    const before = descriptors();
    for (const { server } of FAMILIES)
      expect(await says(guest, "turns", server, ports.echo, 500)).toBe("done");
    await until("all streams to end", async () => (await streams()) === RESTING);
    await until("all descriptors to be closed", () => descriptors() <= before);
  });

  test("whatever packets a program makes, the agent goes on", async () => {
    await using own = await another();
    for (const { server } of FAMILIES) {
      expect(await says(own.network, "junk", server, 1000)).toBe("sent");
      await until("a connection, behind all that", async () =>
        JSON.stringify(await says(own.network, "errors", [[server, ports.echo]])).includes('["ok","ok"]'),
      );
    }
  });

  test("a connection to the port of its listener is reset", async () => {
    await using own = await another();
    const [, port] = await own.agent.said(/transparent on 127\.0\.0\.1:(\d+), for all of IPv4\n/);
    const { code } = await own.network.start("curl", ["-sS", "--noproxy", "*", `http://127.0.0.1:${port}/`])
      .done;
    expect([7, 52, 55, 56]).toContain(code); // as early as it finds that out
  });

  /** An agent that finds no monitor, in a network of its own. */
  async function alone(
    ...options: readonly string[]
  ): Promise<{ network: Network; agent: Agent } & AsyncDisposable> {
    const network = await Network.make("ip link set lo up", host);
    const where = ["--socket", "/nonexistent.sock"];
    const own = await startAgent(program, where, ["--transparent", ...options], network.under);
    return {
      network,
      agent: own,
      async [Symbol.asyncDispose]() {
        await own[Symbol.asyncDispose]();
        network[Symbol.dispose]();
      },
    };
  }

  /** What dig says: the code, the addresses or names, and the Extended DNS Error. */
  async function dig(
    where: Network,
    ...args: readonly string[]
  ): Promise<{ code: string; answers: string[]; why: string }> {
    const said = await where.run("dig", "+tries=1", "+time=9", "@127.0.0.1", ...args);
    const answers = /^;; ANSWER SECTION:\n((?:.+\n)*)/m.exec(said)?.[1] ?? "";
    return {
      code: /status: (\w+)/.exec(said)![1]!,
      answers: answers.split("\n").flatMap((line) => line.split(/\s+/).slice(4, 5)),
      why: /^; EDE: (.*)$/m.exec(said)?.[1] ?? "",
    };
  }

  describe("names", () => {
    /** Each program has the agent's resolver for its own. */
    const resolvers: Network[] = [];
    let own: Agent;
    let real: Agent;
    const withResolver = async (options: readonly string[]): Promise<Agent> => {
      const file = join(temporaryFolder("transparent"), "resolv.conf");
      writeFileSync(file, "nameserver 127.0.0.1\n");
      const bind = `mount --bind ${file} "$(readlink -f /etc/resolv.conf)"; ip link set lo up`;
      const network = hold(await Network.make(bind, host, ["--mount"]));
      resolvers.push(network);
      return hold(await attachedAgent(program, path, ["--transparent", ...options], network.under));
    };
    beforeAll(async () => {
      own = await withResolver([]);
      real = await withResolver(["--names", "real"]);
    });

    test("the first question is answered at once", async () => {
      for (const network of resolvers)
        expect(await says(network, "names", ["both.test"], 1, 1)).toMatchObject({ answers: 1 });
    });

    test("a program reaches a server by its name, and the name is what the host is asked for", async () => {
      for (const network of resolvers) {
        const url = `http://both.test:${ports.http}/`;
        const heard = await network.run("curl", "-sS", "-m", "20", "--noproxy", "*", url);
        expect(heard).toMatch(/^hello (203\.0\.113\.1|2001:db8::1)\n$/);
      }
      const [found] = (await resolvers[0]!.run("getent", "ahostsv4", "both.test")).split(/\s/);
      expect(found).toMatch(/^198\.1[89]\./);
    });

    test.skipIf(noDig !== undefined)(titled("has an address of its own, by UDP and TCP", noDig), async () => {
      const [network] = resolvers;
      const first = await dig(network!, "both.test");
      expect(first).toEqual({ code: "NOERROR", answers: [expect.stringMatching(/^198\.1[89]\./)], why: "" });
      expect(await dig(network!, "+tcp", "BOTH.test")).toEqual(first);
      expect(await dig(network!, "+noedns", "both.test")).toEqual(first);
      expect(await dig(network!, "-x", first.answers[0]!)).toEqual({ ...first, answers: ["both.test."] });
      expect(await dig(network!, "-x", "198.19.255.254")).toEqual({ code: "NXDOMAIN", answers: [], why: "" });
      const other = await dig(network!, "four.test");
      expect(other.answers[0]).not.toBe(first.answers[0]);
      const none = { code: "NOERROR", answers: [], why: "" };
      expect(await dig(network!, "both.test", "AAAA")).toEqual(none);
      expect(await dig(network!, "both.test", "MX")).toEqual(none);
      expect((await dig(network!, "localhost")).answers).toEqual(["127.0.0.1"]);
      expect((await dig(network!, "localhost", "AAAA")).answers).toEqual(["::1"]);
    });

    test.skipIf(noDig !== undefined)(titled("with --names real has those of the host", noDig), async () => {
      const network = resolvers[1]!;
      expect((await dig(network, "both.test")).answers).toEqual(["203.0.113.1"]);
      expect((await dig(network, "both.test", "AAAA")).answers).toEqual(["2001:db8::1"]);
      const none = { code: "NOERROR", answers: [], why: "" };
      expect(await dig(network, "four.test", "AAAA")).toEqual(none);
    });

    test.skipIf(noDig !== undefined)(
      titled(
        "that the policy does not allow is REFUSED, with the rule, and none of its own is asked for",
        noDig,
      ),
      async () => {
        for (const [network, agent] of [
          [resolvers[0]!, own],
          [resolvers[1]!, real],
        ] as const) {
          const refused = await dig(network, "secret.example");
          expect(refused).toMatchObject({ code: "REFUSED", answers: [] });
          expect(refused.why).toMatch(/^15 \(Blocked\): \(.*secret\.example.*\(rule default\)\)$/);
          await agent.said(
            /resolver to secret\.example, for \S+ \(pid \d+\): Permission denied: .*\(rule default\)\n/,
          );
        }
        expect(await dig(resolvers[0]!, "none.test")).toMatchObject({ code: "NXDOMAIN", answers: [] });
        const asked = servers.lines.filter((line) => line.includes("asked"));
        expect(asked).toContain('{"asked": "none.test"}');
        expect(asked.filter((line) => line.includes("secret"))).toEqual([]);
      },
    );

    test.skipIf(noDig !== undefined)(
      titled("with --names learn no name is refused by what the name before it was refused by", noDig),
      async () => {
        const learns = await withResolver(["--names", "learn"]);
        const questions = ["denied.test", "A", "new.example", "A", "new.example", "AAAA"];
        const said = await resolvers
          .at(-1)!
          .run("dig", "+noall", "+comments", "+tries=1", "@127.0.0.1", ...questions);
        expect(said.match(/status: \w+/g)).toEqual(
          ["REFUSED", "NOERROR", "NOERROR"].map((it) => `status: ${it}`),
        );
        await learns.said(/resolver to denied\.test.*no-name.*\n.*resolver to new\.example.*default/);
      },
    );

    test("a name that is refused is asked for once, whichever families a program wants of it, and again", async () => {
      const refusals = async (): Promise<number> =>
        (await monitor.ask<{ refusals: number }>("counters")).refusals;
      const before = await refusals();
      const { code } = await resolvers[0]!.start("getent", ["ahosts", "again.example"]).done;
      expect(code).toBe(2);
      const refused = (await refusals()) - before;
      expect(refused).toBeGreaterThan(0);
      // Four questions; a machine that stands still in between makes it two.
      expect(refused).toBeLessThanOrEqual(2);
    });

    test("a name whose port the policy denies is refused as the name", async () => {
      const running = resolvers[0]!.start("curl", ["-sS", "--noproxy", "*", "http://four.test:81/"]);
      await own.said(/transparent to four\.test:81, for curl \(pid \d+\): Permission denied: /);
      expect((await running.done).code).toBe(7);
    });

    test("whatever a program sends to port 53, the agent goes on", async () => {
      for (const network of resolvers) {
        expect(await says(network, "noise", 3000)).toBe("sent");
        expect(await network.run("getent", "ahostsv4", "both.test")).toMatch(/STREAM/);
      }
    });

    test("1000 names one after the other, and 300 at once, each have an answer of their own", async () => {
      const names = Array.from({ length: 1000 }, (_, i) => `n${i}.many.test`);
      expect(await says(resolvers[0]!, "names", names.slice(0, 300), 300)).toEqual({
        answers: 300,
        addresses: 300,
      });
      expect(await says(resolvers[0]!, "names", names, 1)).toEqual({ answers: 1000, addresses: 1000 });
    });
  });

  /** An agent in a network of its own. */
  async function another(
    socket: string = path,
    ...options: readonly string[]
  ): Promise<{ network: Network; agent: Agent } & AsyncDisposable> {
    const network = await Network.make("ip link set lo up", host);
    const own = await attachedAgent(program, socket, ["--transparent", ...options], network.under);
    return {
      network,
      agent: own,
      async [Symbol.asyncDispose]() {
        await own[Symbol.asyncDispose]();
        network[Symbol.dispose]();
      },
    };
  }

  // ── What waits more than it works: some at the same time ──────────────────────────────────────────────────────────

  test.concurrent.each(FAMILIES)(
    "connect() over $name ends as on the host: done, refused, no route, unreachable, no answer",
    async ({ server, lost, far }) => {
      const targets = [
        [server, ports.echo],
        [server, ports.closed],
        [lost, 80],
        [far, 80],
        [server, ports.silent, 1],
      ];
      const [direct, through] = await Promise.all([host, guest].map((it) => says(it, "errors", targets)));
      expect(direct).toEqual(
        ["ok", "ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT"].map((error) => [error, error]),
      );
      expect(through).toEqual(direct);
    },
  );

  test.concurrent.each(FAMILIES)(
    "over $name no program of the guest is taken for a server",
    async ({ server, told }) => {
      expect(await says(guest, "pose", server, ports.silent)).toEqual({
        tcp: "nothing",
        question: "nothing",
        told,
        answer: "nothing",
      });
    },
  );

  test.concurrent("a program that gives up while the host tries frees its stream", async () => {
    const slow = POLICY.replace("400", "30000");
    const socket = join(temporaryFolder("transparent"), "attach.sock");
    using other = await MonitorProgram.start(socket, slow, { under: host.under });
    await using own = await another(socket);
    const count = async (): Promise<number> =>
      (await other.ask<{ streams: number }>("counters")).streams - RESTING;
    const url = `http://203.0.113.1:${ports.silent}/`;
    const running = own.network.start("curl", ["-sS", "--noproxy", "*", "-m", "2", url]);
    await until("a stream for it", async () => (await count()) === 1);
    expect((await running.done).code).toBe(28);
    await until("its stream to end", async () => (await count()) === 0);

    const bound = says(own.network, "bound", "203.0.113.1", ports.silent);
    await until("a stream for one whose socket is bound to lo", async () => (await count()) === 1);
    await new Promise((done) => setTimeout(done, 300));
    expect(await count()).toBe(1); // while its program waits
    expect(await bound).toBe("nothing");
  });

  test.concurrent("while no monitor is attached connect() waits for --hold-ms, and is ENETUNREACH then", async () => {
    await using own = await alone("--hold-ms", "300");
    expect(await says(own.network, "errors", [["203.0.113.1", 80]])).toEqual([
      ["ENETUNREACH", "ENETUNREACH"],
    ]);
  });

  test.concurrent("more questions than it holds keep no other program's from their answer", async () => {
    await using own = await alone("--hold-ms", "60000");
    const unanswered = Array.from({ length: 2000 }, (_, i) => `n${i}.test`);
    expect(await says(own.network, "names", unanswered, 2000, 1)).toEqual({ answers: 0, addresses: 0 });
    expect(await says(own.network, "names", ["localhost"], 1, 1)).toEqual({ answers: 1, addresses: 1 });
  });

  test.skipIf(noDig !== undefined)(
    titled("a name is answered with SERVFAIL and why where no monitor comes within --hold-ms", noDig),
    { concurrent: true },
    async () => {
      for (const holdMs of ["0", "300"]) {
        await using lonely = await alone("--hold-ms", holdMs);
        const failed = {
          code: "SERVFAIL",
          answers: [],
          why: "23 (Network Error): (no monitor is attached)",
        };
        for (const by of ["+notcp", "+tcp"])
          expect(await dig(lonely.network, by, "both.test")).toEqual(failed);
      }
    },
  );

  test.skipIf(noDig !== undefined)(
    titled(
      "a name that was asked for when the monitor ended is answered, too: by the next one, or with SERVFAIL",
      noDig,
    ),
    { concurrent: true },
    async () => {
      const socket = join(temporaryFolder("transparent"), "attach.sock");
      const began = (): Promise<MonitorProgram> =>
        MonitorProgram.start(socket, POLICY, { under: host.under, options: { names: RESOLVER } });
      const asked = (): number => servers.lines.filter((line) => line.includes("silent.test")).length;
      using first = await began();
      await using hasty = await another(socket, "--hold-ms", "300");
      await using patient = await another(socket, "--hold-ms", "60000");
      const before = asked();
      const unanswered = dig(hasty.network, "silent.test");
      await until("the name server to be asked", () => asked() > before);
      first[Symbol.dispose]();
      expect(await unanswered).toMatchObject({
        code: "SERVFAIL",
        why: expect.stringMatching(/no monitor/),
      });

      // However long a connection is held: whoever asks gives up after 10 s.
      const ask = (): ReturnType<typeof dig> => dig(patient.network, "+time=30", "both.test");
      expect(await ask()).toMatchObject({ code: "SERVFAIL", why: expect.stringMatching(/no monitor/) });
      let answered = ask();
      using second = await began();
      while ((await answered).code === "SERVFAIL") answered = ask();
      expect(await answered).toMatchObject({ code: "NOERROR" });
      expect(second.isOver).toBe(false);
    },
  );

  // ── Beginnings and ends ────────────────────────────────────────────────────────────────────────────────────────────

  /** What of a network the agent changes. */
  async function state(network: Network): Promise<unknown> {
    return [
      await network.run("ip", "addr", "show", "dev", "lo"),
      await network.run("ip", "route", "show", "table", "all"),
      await network.run("ip", "-6", "route", "show", "table", "all"),
      await says(network, "tables"),
    ];
  }

  test("nothing of it is left after SIGTERM; a killed one leaves routes alone, which the next takes over", async () => {
    using network = await Network.make("ip link set lo up", host);
    const before = await state(network);
    const options = ["--transparent"];
    const killed = await attachedAgent(program, path, options, network.under);
    expect(await says(network, "tables")).toBe(1);
    process.kill(killed.pid, "SIGKILL");
    await killed.stop();
    await until("its table to go", async () => (await says(network, "tables")) === 0);
    const next = await attachedAgent(program, path, options, network.under);
    expect(await says(network, "errors", [["203.0.113.1", ports.echo]])).toEqual([["ok", "ok"]]);
    await next[Symbol.asyncDispose]();
    expect(await state(network)).toEqual(before);
    for (const signal of ["SIGHUP", "SIGQUIT"] as const) {
      const last = await attachedAgent(program, path, options, network.under);
      process.kill(last.pid, signal);
      expect((await last.stop()).code).toBe(0);
      expect(await state(network)).toEqual(before);
    }
  });

  describe("does not start, and says why,", () => {
    const fails = async (under: readonly string[], ...options: readonly string[]): Promise<string> => {
      const args = ["--socket", path, "--socks", "off", "--http", "off", "--service", "off", "--transparent"];
      const [command, ...words] = [...under, program, ...args, ...options];
      const { code, stderr } = await start(command!, words, "").done;
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(/^ringway-agent: [^\n]*\n/),
      });
      return stderr.trimEnd().split("\n").at(-1)!;
    };

    test("beside another one in the same network", async () => {
      expect(await fails(guest.under)).toBe(
        "ringway-agent: --transparent wants a table of its own (Linux 5.12): another agent has one in this network",
      );
      expect(await says(guest, "errors", [["203.0.113.1", ports.echo]])).toEqual([["ok", "ok"]]);
    });

    test.skipIf(noCard !== undefined)(titled("where an interface besides lo is up", noCard), async () => {
      using network = await Network.make(`ip link set lo up; ${A_CARD}`, host);
      expect(await fails(network.under)).toBe(
        "ringway-agent: --transparent takes every address, and card is up: it is for guests with nothing but lo",
      );
      expect(await says(network, "tables")).toBe(0);
      expect(await network.run("ip", "addr", "show", "dev", "lo")).not.toContain("10.0.2.15");
    });

    test("without the right to", async () => {
      using network = await Network.make("ip link set lo up", host);
      const before = await state(network);
      const without = (capability: string): readonly string[] => [
        ...network.under,
        ...["setpriv", "--bounding-set", `-${capability}`],
      ];
      expect(await fails(without("net_admin"))).toBe(
        "ringway-agent: --transparent wants nf_tables (CAP_NET_ADMIN): Operation not permitted",
      );
      expect(await fails(without("net_raw"))).toBe(
        "ringway-agent: --transparent wants raw sockets (CAP_NET_RAW): Operation not permitted",
      );
      expect(await state(network)).toEqual(before);
    });
  });

  test("without IPv6 in the guest it says so, and IPv4 works", async () => {
    using network = await Network.make(
      "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; ip link set lo up",
      host,
    );
    await using own = await attachedAgent(program, path, ["--transparent"], network.under);
    await own.said(/transparent: no IPv6 in this guest \(an address: .*\): IPv4 alone\n/);
    expect(await says(network, "errors", [["203.0.113.1", ports.echo]])).toEqual([["ok", "ok"]]);
  });
});
