// `ringway cat` as a process, for tests, and the programs that it talks to.

import { spawnSync } from "node:child_process";
import { onTestFinished } from "vitest";
import { type Exit, LOADED_MS, Program } from "../support/processes.ts";
import { RINGWAY } from "../support/ringway.ts";
import { until, within } from "../support/wait.ts";

/** Undefined, or why the tests that need it are left out. */
export function missing(program: string): string | undefined {
  const found = spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
  return found ? undefined : `${program} is not installed`;
}

/** Any program; it ends with the test. Its input is open, unless some is given. */
export function program([command, ...args]: readonly string[], input?: string | Uint8Array): Program {
  const started = new Program(command!, args, {
    env: { NODE_OPTIONS: "" },
    ...(input === undefined ? {} : { input }),
  });
  onTestFinished(() => started[Symbol.dispose]());
  return started;
}

/** `ringway cat ARGS`, whose input is open, unless some is given. */
export function cat(args: readonly string[], input?: string | Uint8Array): Program {
  return program([process.execPath, RINGWAY, "cat", ...args], input);
}

/** Of those that it listens at, in their order. */
export async function portsOf(listening: Program, count = 1): Promise<number[]> {
  return await until(
    `${count} ports of ${listening.errors}`,
    () => {
      const ports = [...listening.errors.matchAll(/listening at .*:(\d+)\n/g)].map(([, port]) =>
        Number(port),
      );
      if (ports.length >= count) return ports;
      if (listening.isOver) throw new Error(`it ended: ${listening.errors}`);
      return undefined;
    },
    LOADED_MS,
  );
}

export async function said(talking: Program, text: string | RegExp): Promise<void> {
  await until(
    `"${text}" on stderr: ${talking.errors}`,
    () => (typeof text === "string" ? talking.errors.includes(text) : text.test(talking.errors)),
    LOADED_MS,
  );
}

export async function printed(talking: Program, text: string): Promise<void> {
  await until(`"${text}" on stdout`, () => talking.output.includes(text), LOADED_MS);
}

/** How it ended, once it has. */
export function ended(talking: Program): Promise<Exit> {
  return within(`the end of ${talking.child.spawnargs.slice(2).join(" ")}`, talking.exited, LOADED_MS);
}
