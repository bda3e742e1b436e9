// The agent as a process, with its sanitizers, and the programs in the guest that use it.

import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { beforeAll } from "vitest";
import { type Ran, type Running, start } from "../native/rwcat-process.ts";
import { buildForTests, make, NATIVE, noSanitizers, run } from "../native/toolchain.ts";
import { heldForAll } from "../support/held.ts";
import { startMonitor, type TestMonitor } from "../support/monitor.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until, within } from "../support/wait.ts";

export const BUILD_MS = 180_000;
/** Its own end if a test does not bring it about; and where it can be, it ends with the process of the tests. */
const AGENT_MS = 600_000;
const TIED: readonly string[] =
  run("setpriv", ["--version"]).status === 0 ? ["setpriv", "--pdeathsig", "KILL"] : [];

/** Builds it; the path of the program. */
export function buildAgent(): string {
  const folder = buildForTests();
  if (noSanitizers !== undefined) make("build/ringway-agent-dynamic");
  return join(noSanitizers === undefined ? folder : join(NATIVE, "build"), "ringway-agent-dynamic");
}

/** Why a program that a test runs is not there, or undefined. */
export const missing = (program: string): string | undefined =>
  run(program, ["--version"]).status === 127 && run(program, ["-V"]).status === 127
    ? `${program} is not installed`
    : undefined;

export interface Agent extends AsyncDisposable {
  readonly program: string;
  readonly pid: number;
  readonly socks: number;
  readonly http: number;
  readonly service: string;
  /** Ports of --forward, in their order. */
  readonly forwards: readonly number[];
  said(what: RegExp): Promise<RegExpExecArray>;
  /** Runs one of its other programs: rwcat, rwfs, exit. */
  tool(args: readonly string[], input?: Uint8Array | string): Promise<Ran>;
  startTool(args: readonly string[], input?: Uint8Array | string): Running;
  /** SIGTERM; how it ended. */
  stop(): Promise<Ran>;
}

/** Starts it with ports of its own; `where` says where the host is, and `under` runs it in another network. */
export async function startAgent(
  program: string,
  where: readonly string[],
  options: readonly string[] = [],
  under: readonly string[] = [],
): Promise<Agent> {
  const folder = temporaryFolder("agent");
  const service = join(folder, "service.sock");
  const args = [...where, "--socks", "0", "--http", "0", "--service", service, ...options];
  const [command, ...words] = [...under, ...TIED, program, ...args];
  const running = start(command!, words, undefined, {}, AGENT_MS);
  const port = async (what: string): Promise<number> =>
    Number((await running.said(new RegExp(`${what} on \\S+:(\\d+)\n`)))[1]);
  const forwards = options
    .flatMap((option, i) => (option === "--forward" ? [options[i + 1]!] : []))
    .map((text) => text.replace(/^(.*?)([^:]+:\d+)$/, "$2"));
  let ran: Promise<Ran> | undefined;
  const startTool = (tool: readonly string[], input?: Uint8Array | string): Running =>
    start(program, [tool[0]!, "--service", service, ...tool.slice(1)], input);
  const agent: Agent = {
    program,
    pid: running.child.pid!,
    socks: await port("SOCKS5"),
    http: await port("HTTP"),
    service,
    forwards: await Promise.all(
      forwards.map(async (to) =>
        Number((await running.said(new RegExp(`forward on \\S+:(\\d+) to ${to}\n`)))[1]),
      ),
    ),
    said: running.said,
    startTool,
    tool: (tool, input = "") => startTool(tool, input).done,
    stop() {
      if (ran === undefined) {
        running.child.kill("SIGTERM");
        ran = running.done;
      }
      return ran;
    },
    async [Symbol.asyncDispose]() {
      const { code, stderr } = await agent.stop();
      // What the sanitizers found, they say here.
      if (code !== 0 || /Sanitizer|runtime error/.test(stderr)) throw new Error(`agent: ${code}\n${stderr}`);
    },
  };
  await running.said(new RegExp(`programs of Ringway on ${service}\n`));
  return agent;
}

export async function attachedAgent(
  program: string,
  socket: string,
  options: readonly string[] = [],
  under: readonly string[] = [],
): Promise<Agent> {
  const agent = await startAgent(program, ["--socket", socket], options, under);
  await agent.said(/attached, epoch/);
  return agent;
}

export interface Served {
  host: TestMonitor;
  agent: Agent;
}

/** A host and an agent on it, for all tests of the describe that calls this. */
export function agentForAll(policy?: string, options?: readonly string[]): Served {
  const hold = heldForAll();
  const served = {} as Served;
  beforeAll(async () => {
    const program = buildAgent();
    served.host = hold(await startMonitor(policy));
    served.agent = hold(await attachedAgent(program, served.host.path, options));
  }, BUILD_MS);
  return served;
}

export function curl(...args: readonly string[]): Promise<Ran> {
  return start("curl", ["-sS", "-m", "20", ...args], "").done;
}

/** A connection on which bytes are waited for in pieces. */
export class Wire implements Disposable {
  readonly socket: Socket;
  bytes: Buffer = Buffer.alloc(0);
  ended: string | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.bytes = Buffer.concat([this.bytes, chunk]);
    });
    socket.once("end", () => {
      this.ended ??= "end";
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      this.ended ??= error.code ?? error.message;
    });
    socket.once("close", () => {
      this.ended ??= "close";
    });
  }

  static async open(port: number, host = "127.0.0.1"): Promise<Wire> {
    const wire = new Wire(connect({ port, host, allowHalfOpen: true, noDelay: true }));
    await within(`a connection to ${port}`, new Promise((resolve) => wire.socket.once("connect", resolve)));
    return wire;
  }

  static async unix(path: string): Promise<Wire> {
    const wire = new Wire(connect({ path, allowHalfOpen: true }));
    await within(`a connection to ${path}`, new Promise((resolve) => wire.socket.once("connect", resolve)));
    return wire;
  }

  /** One byte at a time, each a segment of its own. */
  async dribble(bytes: Uint8Array): Promise<void> {
    for (const byte of bytes) {
      await new Promise((resolve) => this.socket.write(Uint8Array.of(byte), resolve));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** The next `count` bytes. */
  async take(count: number): Promise<Buffer> {
    await until(`${count} bytes, with ${this.bytes.length} there`, () => {
      if (this.bytes.length >= count) return true;
      if (this.ended !== undefined) throw new Error(`ended (${this.ended}) after ${this.bytes.length} bytes`);
      return false;
    });
    const taken = this.bytes.subarray(0, count);
    this.bytes = this.bytes.subarray(count);
    return taken;
  }

  /** All until the end, and how that came: "end", or the code of an error. */
  async rest(timeoutMs?: number): Promise<{ bytes: Buffer; how: string }> {
    const how = await until("the end of a connection", () => this.ended, timeoutMs);
    return { bytes: this.bytes, how };
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
