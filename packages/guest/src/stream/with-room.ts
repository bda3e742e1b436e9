// Calls over a stream that is there already: they need no room as a rule, so they do not stand in line; where the host
// has none (an open file, a request too many), they wait their turn.

import type { Engine } from "./engine.ts";
import { isNoRoom, type Resource } from "./room.ts";

export async function withRoom<T>(
  engine: Engine,
  lacks: Resource,
  ask: () => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!isNoRoom(error)) throw error;
  }
  const attempt = (hasStream: () => void): Promise<T> => {
    hasStream();
    return ask();
  };
  return await engine.room.run(lacks, attempt, signal);
}
