// The servers of native/bench/server.c, one process for each mode.

import type { Children } from "./children.ts";

/** Their ports on 127.0.0.1. */
export async function startServers<Mode extends string>(
  children: Children,
  program: string,
  modes: readonly Mode[],
): Promise<Readonly<Record<Mode, number>>> {
  const ports: Partial<Record<Mode, number>> = {};
  for (const mode of modes) {
    ports[mode] = Number(await children.start([program, mode], `server ${mode}`).line());
  }
  return ports as Record<Mode, number>;
}
