// `ringway run` for tests: what it needs, servers of the host, and one that stays, in which a test runs programs.

import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { lacks, make, NATIVE, noCompiler, run } from "../native/toolchain.ts";
import { LOADED_MS, loadedInTurn, Program, type ProgramOptions } from "../support/processes.ts";
import { RINGWAY } from "../support/ringway.ts";
import { until } from "../support/wait.ts";

const BWRAP = [
  "--unshare-user",
  "--unshare-net",
  "--unshare-pid",
  "--ro-bind",
  "/",
  "/",
  "--proc",
  "/proc",
  "true",
];

/** Why there can be none, or undefined. */
export const noRun: string | undefined =
  noCompiler ??
  lacks("musl-gcc", ["-static"]) ??
  (run("bwrap", BWRAP).status === 0 ? undefined : "no bwrap, or not allowed") ??
  (run("python3", ["--version"]).status === 0 ? undefined : "python3 is not installed");

/** Builds it as users have it; the path of the program. */
export function buildStaticAgent(): string {
  make("agent");
  return join(NATIVE, "build/ringway-agent");
}

export const FIXTURES: string = fileURLToPath(new URL("../fixtures/", import.meta.url));

export interface RunOptions extends ProgramOptions {
  /** What runs it: a command that passes its arguments on, such as `nsenter --net`. */
  readonly under?: readonly string[];
}

/** `ringway run OPTIONS -- COMMAND`, from its first moment on. */
export function startRun(
  options: readonly string[],
  command: readonly string[],
  { under = [], ...more }: RunOptions = {},
): Program {
  const agent = join(NATIVE, "build/ringway-agent");
  const run = [process.execPath, RINGWAY, "run", "--agent", agent, ...options, "--", ...command];
  const [program, ...words] = [...under, ...run];
  return new Program(program!, words, { ...more, env: { NODE_OPTIONS: "", ...more.env } });
}

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** One that stays: programs run in it one after the other. */
export class Inside implements AsyncDisposable {
  readonly program: Program;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(program: Program) {
    this.program = program;
  }

  /** The policy in `options` has the folder of fixtures at /fixtures. */
  static async start(options: readonly string[], more: RunOptions = {}): Promise<Inside> {
    return await loadedInTurn(async () => {
      const program = startRun(options, ["python3", "/fixtures/inside.py"], more);
      await program.line('"ready"', LOADED_MS);
      return new Inside(program);
    });
  }

  /** To its end. */
  run(...command: readonly string[]): Promise<Said> {
    const said = this.#turn.then(async () => {
      const at = this.program.lines.length;
      this.program.child.stdin!.write(`${JSON.stringify(command)}\n`);
      const line = await until(
        `the end of ${command.join(" ")}`,
        () => {
          if (this.program.lines[at] === undefined && this.program.isOver)
            throw new Error(this.program.errors);
          return this.program.lines[at];
        },
        70_000,
      );
      return JSON.parse(line) as Said;
    });
    this.#turn = said.catch(() => {});
    return said;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.program.child.stdin!.end();
    const { code } = await this.program.exit();
    if (code !== 0) throw new Error(`ringway run: ${code}\n${this.program.errors}`);
  }
}

/** A server on the host's loopback, with an answer for each path. */
export class HostServer implements AsyncDisposable {
  readonly #server: Server;
  readonly port: number;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  static async start(answer: (path: string) => Uint8Array | string | undefined): Promise<HostServer> {
    const server = createServer((request, reply) => {
      const found = answer(request.url!);
      reply.statusCode = found === undefined ? 404 : 200;
      reply.end(found ?? "");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new HostServer(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
