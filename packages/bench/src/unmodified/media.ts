// What is compared: the ways for a program without a network card to reach a server of the host, each with a network
// namespace and a shell there that runs what it reads, a line for each.
//
//   ringway       sh ── TCP, lo ── ringway-agent ── shared memory ── the monitor of ringway run ── TCP server
//   pasta         sh ── TCP, a tap device ── pasta ── TCP server
//   slirp4netns   sh ── TCP, a tap device ── slirp4netns ── TCP server
//   direct        sh ── TCP server

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Child, Children } from "../children.ts";
import { childrenOf, cpuSeconds } from "../proc.ts";
import { findProgram, makeAgent } from "../programs.ts";
import type { CpuOfBoth, Measured } from "../turns.ts";
import { dying } from "../vm/machine.ts";
import { type MediumName, NAMES, type Server, type Target } from "./rows.ts";

const START_MS = 20_000;
const LOOK_MS = 50;
/** The host's loopback, as slirp4netns calls it, and as pasta is told to. */
const GATEWAY = "10.0.2.2";
const PASTA_GUEST = "10.0.2.15";
/** The largest that both take. */
const MTU = "65520";
/** Each answer is one line, errors too. */
const SHELL = `while read -r line; do sh -c "$line" </dev/null 2>&1 | tr -d '\\n'; echo; done`;

export interface Where {
  readonly children: Children;
  /** Starts the command: its arguments follow. */
  readonly ringway: readonly string[];
  readonly ports: Readonly<Record<Server, number>>;
  readonly iperfPorts: Readonly<Partial<Record<MediumName, number>>>;
  /** The folder of plain. */
  readonly bin: string;
}

/** What `plain` or iperf3 prints. */
interface Output {
  readonly bytes?: number;
  readonly count?: number;
  readonly seconds?: number;
  readonly cpuSeconds?: number;
  readonly p50Us?: number;
  readonly p99Us?: number;
  readonly end?: {
    readonly sum_received: { readonly bytes: number; readonly seconds: number };
    /** Percent of one processor. */
    readonly cpu_utilization_percent: { readonly host_total: number };
  };
}

interface Started {
  readonly shell: Child;
  readonly host: string;
  /** Whose CPU time is the medium's. */
  readonly relays: () => readonly number[];
}

export class Medium implements Measured<MediumName>, Disposable {
  readonly name: MediumName;
  readonly target: Target;
  readonly #shell: Child;
  readonly #relays: readonly number[];
  #loadSeconds = 0;

  private constructor(name: MediumName, target: Target, shell: Child, relays: readonly number[]) {
    this.name = name;
    this.target = target;
    this.#shell = shell;
    this.#relays = relays;
  }

  /** Resolves when a program has had an answer of a server. */
  static async start(name: MediumName, where: Where): Promise<Medium> {
    const { shell, host, relays } = await STARTS[name](where);
    const target = { host, ports: where.ports, iperfPort: where.iperfPorts[name] };
    try {
      await connected(shell, target);
    } catch (error) {
      shell.kill();
      throw error;
    }
    return new Medium(name, target, shell, relays());
  }

  get isForeign(): boolean {
    return this.name === "pasta" || this.name === "slirp4netns";
  }

  get isUp(): boolean {
    return this.#shell.running;
  }

  async request(line: string, timeoutMs: number): Promise<unknown> {
    const { end, ...output } = await ask(this.#shell, line, timeoutMs);
    const { bytes, seconds } = end?.sum_received ?? output;
    if (bytes === 0) throw new Error("nothing has arrived");
    const cpu = end && (end.cpu_utilization_percent.host_total / 100) * end.sum_received.seconds;
    this.#loadSeconds += cpu ?? output.cpuSeconds ?? 0;
    return { ...output, bytes, microseconds: (seconds ?? 0) * 1e6 };
  }

  cpu(): CpuOfBoth {
    const host = this.#relays.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
    return { guest: this.#loadSeconds, host };
  }

  [Symbol.dispose](): void {
    this.#shell.kill();
  }
}

/** Undefined, or what is missing for it. */
export function missingFor(name: MediumName): string | undefined {
  const without = (program: string): string | undefined =>
    findProgram(program) === undefined ? `${program} is not installed` : undefined;
  switch (name) {
    case "ringway":
      return without("bwrap") ?? makeAgent().problem;
    case "pasta":
      return without("pasta");
    case "slirp4netns":
      return without("slirp4netns") ?? without("unshare");
    case "direct":
      return undefined;
  }
}

const STARTS: Readonly<Record<MediumName, (where: Where) => Promise<Started>>> = {
  ringway: startRingway,
  pasta: startPasta,
  slirp4netns: startSlirp,
  direct: async ({ children, bin }) => {
    return { shell: children.start(shellFor(bin), "direct"), host: "127.0.0.1", relays: () => [] };
  },
};

function shellFor(bin: string): string[] {
  return ["sh", "-c", `PATH=${bin}:$PATH; ${SHELL}`];
}

async function startRingway({ children, ringway, ports, iperfPorts, bin }: Where): Promise<Started> {
  const names = Array.from({ length: NAMES.count }, (_, index) => `n${index}.${NAMES.domain}`);
  const policy = {
    version: 1,
    connect: [{ allow: "127.0.0.1", ports: [...Object.values(ports), ...Object.values(iperfPorts)] }],
    hosts: Object.fromEntries(names.map((name) => [name, "127.0.0.1"])),
    run: { system: ["default", bin] },
  };
  const file = join(children.folder, "policy.yaml");
  writeFileSync(file, JSON.stringify(policy));
  const options = ["--quiet", "--policy", file, "--agent", makeAgent().program!];
  const command = [...dying(), ...ringway, "run", ...options, "--", ...shellFor(bin)];
  const shell = children.start(command, "ringway");
  const relays = (): number[] => [shell.pid, ...named(shell.pid, /^ringway-agent/)];
  return { shell, host: "host.ringway", relays };
}

/** Given addresses, it asks the host's network for none. As root it would become a user who may open no tap device. */
async function startPasta({ children, bin }: Where): Promise<Started> {
  const user = process.getuid?.() === 0 ? ["--runas", "0:0"] : [];
  const addresses = ["--address", PASTA_GUEST, "--netmask", "24", "--gateway", GATEWAY];
  const noPorts = ["-t", "none", "-u", "none", "-T", "none", "-U", "none"];
  const options = ["--config-net", "--ipv4-only", "--mtu", MTU, "--foreground", "--quiet", ...user];
  const command = ["pasta", ...options, ...addresses, ...noPorts, "--", ...shellFor(bin)];
  const shell = children.start([...dying(), ...command], "pasta");
  return { shell, host: GATEWAY, relays: () => named(shell.pid, /^pas(ta|st)/) };
}

async function startSlirp({ children, bin }: Where): Promise<Started> {
  const command = ["unshare", "--user", "--map-root-user", "--net", ...shellFor(bin)];
  const shell = children.start([...dying(), ...command], "slirp4netns' program");
  // It is in its namespaces when it answers.
  await answerOf(shell, "echo up", START_MS);
  const options = ["--configure", `--mtu=${MTU}`, String(shell.pid), "tap0"];
  const relay = children.start([...dying(), "slirp4netns", ...options], "slirp4netns");
  return { shell, host: GATEWAY, relays: () => [relay.pid] };
}

/** This process and those below it, of these names. */
function named(pid: number, name: RegExp): number[] {
  const below = childrenOf(pid).flatMap((child) => named(child, name));
  return name.test(readFileSync(`/proc/${pid}/comm`, "utf8")) ? [pid, ...below] : below;
}

/** Devices and rules come up in their time. */
async function connected(shell: Child, { host, ports }: Target): Promise<void> {
  const deadline = performance.now() + START_MS;
  for (;;) {
    try {
      await ask(shell, `plain --host ${host} --port ${ports.echo} --iterations 1 rtt`, START_MS);
      return;
    } catch (error) {
      if (!shell.running || performance.now() > deadline) throw error;
      await sleep(LOOK_MS);
    }
  }
}

async function ask(shell: Child, line: string, timeoutMs: number): Promise<Output> {
  const answer = await answerOf(shell, line, timeoutMs);
  try {
    return JSON.parse(answer) as Output;
  } catch {
    throw new Error(`${line.split(" ")[0]} said: ${answer}`);
  }
}

async function answerOf(shell: Child, line: string, timeoutMs: number): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      // What it would still answer is no answer to what is asked next.
      shell.kill();
      reject(new Error(`"${line}" took longer than ${timeoutMs / 1000} s`));
    }, timeoutMs);
  });
  shell.process.stdin!.write(`${line}\n`);
  try {
    return await Promise.race([shell.line(), late]);
  } finally {
    clearTimeout(timer);
  }
}
