// A mount of the agent's for programs that compare it with a folder of the host's own, on the same file system.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { noCompiler, run } from "../native/toolchain.ts";
import type { Hold } from "../support/held.ts";
import { MonitorProgram, Program } from "../support/processes.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { attachedAgent, buildAgent, missing } from "./agent.ts";
import { noFuse } from "./fuse.ts";
import { Network, noNetworks } from "./networks.ts";

export const noMount: string | undefined = noCompiler ?? noNetworks ?? noFuse ?? missing("python3");

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

export interface Mounted {
  readonly guest: Network;
  /** What is mounted, on the host; where it is mounted; and a folder that is nobody's. */
  readonly host: string;
  readonly here: string;
  readonly plain: string;
}

/** `words` stand behind the mount's path: `,writeback`. */
export async function mountFolder(hold: Hold, words = ""): Promise<Mounted> {
  const program = buildAgent();
  const folder = temporaryFolder("oracle");
  const [host, here, plain] = ["data", "mnt", "plain"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [host, here, plain]) mkdirSync(path);
  const up = "ip link set lo up";
  const isRoot = process.getuid!() === 0;
  const guest = hold(isRoot ? await Network.ofRoot(up) : await Network.make(up, undefined, ["--mount"]));
  const path = join(folder, "attach.sock");
  const policy = `version: 1\nfiles: [{ id: data, guest: /data, host: ${host}, access: rw }]\n`;
  hold(await MonitorProgram.start(path, policy));
  hold(await attachedAgent(program, path, ["--mount", `/data:${here}${words}`], guest.under));
  return { guest, host, here, plain };
}

/** The same calls here and there; `share`: one of so many (fixtures/posix-calls.py). */
export async function sameCalls({ guest, host, here, plain }: Mounted, share: number): Promise<void> {
  const calls = async (at: string, behind: string): Promise<string[]> => {
    const words = ["python3", fixture("posix-calls.py"), at, behind, String(share)];
    const [command, ...others] = [...guest.under, ...words];
    using program = new Program(command!, others);
    const { code, stdout, stderr } = await program.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return stdout.split("\n");
  };
  const [mounted, expected] = [await calls(here, host), await calls(plain, plain)];
  const different = mounted.flatMap((line, i) => (line === expected[i] ? [] : [[line, expected[i]]]));
  expect(different.slice(0, 20), `${different.length} of ${mounted.length}`).toEqual([]);
  expect(mounted.length).toBe(expected.length);
}

/** fixtures/fsx.c, compiled. */
export function buildFsx(folder: string): string {
  const fsx = join(folder, "fsx");
  const { status, stderr } = run("gcc", ["-O1", "-Wall", "-Wextra", "-Werror", "-o", fsx, fixture("fsx.c")]);
  if (status !== 0) throw new Error(stderr);
  return fsx;
}
