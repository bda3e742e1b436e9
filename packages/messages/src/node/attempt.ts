// One attempt to connect: over in time, whatever `connect` does.
//
// Invariant: a stream that comes when nobody waits any more is destroyed.

import { type Duplex, Stream } from "node:stream";

/** Gives a stream that may still be connecting. Its signal is aborted when nobody waits for it any more. */
export type Connect = (signal: AbortSignal) => Duplex | Promise<Duplex>;

/** Rejected when its time is up, or it is stopped. */
export async function connectWithin(ms: number, connect: Connect, stopped: AbortSignal): Promise<Duplex> {
  stopped.throwIfAborted();
  const attempt = new AbortController();
  const { signal } = attempt;
  const stop = (): void => attempt.abort(stopped.reason);
  stopped.addEventListener("abort", stop);
  const timer = setTimeout(() => attempt.abort(new Error(`no stream within ${ms} ms`)), ms);
  const coming = (async () => {
    const duplex = await connect(signal);
    // In JavaScript it may be anything.
    if (!(duplex instanceof Stream)) throw new TypeError("connect() must give a Duplex, or a promise of one");
    if (!signal.aborted) return duplex;
    // Whatever comes after it is not wanted is no one's error.
    duplex.on("error", () => {}).destroy();
    throw signal.reason;
  })();
  try {
    return await Promise.race([
      coming,
      new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    ]);
  } finally {
    clearTimeout(timer);
    stopped.removeEventListener("abort", stop);
  }
}
