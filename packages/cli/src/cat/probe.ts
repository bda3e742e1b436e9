// Does it connect? (-z) All targets are tried at once, and a line says of each what came of it.

import { Exit, errorLine, TIMED_OUT } from "../errors.ts";
import { standard } from "../standard.ts";
import type { Network } from "./network.ts";
import type { CatOptions } from "./options.ts";
import type { Target } from "./places.ts";
import { Tls } from "./tls.ts";

/** 0 where all do. */
export async function probe(network: Network, { targets, tls, timeoutMs }: CatOptions): Promise<number> {
  const signal = timeoutMs === undefined ? new AbortController().signal : AbortSignal.timeout(timeoutMs);
  const secure = new Tls(tls);
  const tried = await Promise.all(targets.map((target) => tryOne(target, { network, secure, signal })));
  if (tried.every((each) => each)) return Exit.OK;
  return signal.aborted ? TIMED_OUT : Exit.FAILED;
}

async function tryOne(
  { to, from, text, tls }: Target,
  { network, secure, signal }: { network: Network; secure: Tls; signal: AbortSignal },
): Promise<boolean> {
  let line = `${text}: connects`;
  let connects = true;
  try {
    const stream = await network.connect({ to, from, signal });
    (tls ? await secure.connect(stream, "host" in to ? to.host : "localhost", signal) : stream).destroy();
  } catch (error) {
    connects = false;
    line = `${text}: ${signal.aborted ? "no answer within --timeout" : errorLine(error)}`;
  }
  standard("stdout").write(`${line}\n`);
  return connects;
}
