// A monitor whose stderr and audit file are of the test's choice, and what its guests need of it.

import { once } from "node:events";
import { readFileSync, readSync } from "node:fs";
import { Guest, type RefusedError } from "@ringway/guest";
import { setNonBlocking } from "@ringway/linux";
import { expect } from "vitest";
import { type Ended, type LogLine, loadedInTurn, Program } from "../../../test/support/processes.ts";
import { Home, RINGWAY } from "../../../test/support/ringway.ts";
import { echoServer } from "../../../test/support/tcp.ts";
import { until } from "../../../test/support/wait.ts";

const EXIT_MS = 10_000;
export const POLICY = `version: 1
connect:
  - { id: local, allow: [127.0.0.1, localhost], resolvesTo: [127.0.0.0/8, "::1"] }
`;

interface How {
  /** Of the shell: what stderr is. */
  readonly redirect?: string;
  /** Or a descriptor for it. */
  readonly stderr?: number;
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** A command in front of it. */
  readonly under?: readonly string[];
}

/** The file of a socket is there before it is listened on. */
function isListening(path: string): boolean {
  const ACCEPTS = "00010000";
  const sockets = readFileSync("/proc/net/unix", "utf8").split("\n");
  return sockets.some((line) => line.endsWith(` ${path}`) && line.includes(` ${ACCEPTS} `));
}

/** The home of a monitor with a stderr of the test's choice, and of guests that go with it. */
export class LoggingHome extends Home {
  readonly #guests: Guest[] = [];

  constructor(policy = POLICY) {
    super(policy);
  }

  /** A monitor that takes guests. */
  async serve({ redirect = "", args = [], env = {}, under = [], ...how }: How): Promise<Program> {
    return await loadedInTurn(async () => {
      const monitor = this.start(args, {
        ...how,
        cwd: this.folder,
        env: { NODE_OPTIONS: "", ...env },
        under: [...under, "sh", "-c", `exec "$@" ${redirect}`, "sh"],
      });
      await until("the monitor to listen", () => isListening(this.path), 15_000);
      return monitor;
    });
  }

  async attach(): Promise<Guest> {
    const guest = await Guest.attach(this.path);
    this.#guests.push(guest);
    return guest;
  }

  /** `ringway ARGS`, in this folder, to its end. */
  async run(...args: string[]): Promise<Ended> {
    using program = new Program(process.execPath, [RINGWAY, ...args], {
      cwd: this.folder,
      env: { NODE_OPTIONS: "" },
    });
    return await program.ended;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#guests.map((guest) => guest.close()));
    await super[Symbol.asyncDispose]();
  }
}

/** Resolves with the exit code, or the signal. */
export async function endOf(monitor: Program): Promise<number | string | null> {
  monitor.kill("SIGTERM");
  const { code, signal } = await monitor.exit(EXIT_MS);
  return code ?? signal;
}

/** Names, connections and refusals, as a guest needs them of a monitor whose main thread and reactor both work. */
export async function isServed(guest: Guest): Promise<void> {
  await using server = await echoServer();
  const stream = await guest.connect(server.port, "localhost");
  const back = once(stream, "data");
  stream.write("hello");
  expect(String((await back)[0])).toBe("hello");
  stream.destroy();
  await refuse(guest);
}

export async function refuse(guest: Guest, address = "192.0.2.1"): Promise<void> {
  const refused = await guest.connect(80, address).catch((error: RefusedError) => error);
  expect(refused).toMatchObject({ code: "EACCES", rule: "default" });
}

/** More log lines than are held for whoever does not take them: more than a megabyte. */
export async function flood(guest: Guest, from = 0, lines = 1300): Promise<void> {
  for (let i = from; i < from + lines; i++) {
    guest.log(`${i} ${"x".repeat(1000)}`, "warn");
    // Behind each hundredth of them there is an answer: they have been taken.
    if (i % 100 === 99) await guest.ping();
  }
  await guest.ping();
}

export const FLOOD_POLICY = `${POLICY}limits: { logLines: 100000, logBytes: 100MiB }\n`;

export function linesOf(text: string): LogLine[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as LogLine);
}

/** Reads until nothing has come for a while, or the end. */
export async function readSome(fd: number, idleMs = 1000): Promise<string> {
  setNonBlocking(fd, true);
  const chunk = Buffer.alloc(64 * 1024);
  let text = "";
  for (let lastMs = performance.now(); performance.now() - lastMs < idleMs; ) {
    try {
      const count = readSync(fd, chunk);
      if (count === 0) break;
      text += chunk.toString("utf8", 0, count);
      lastMs = performance.now();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  return text;
}
