// ringway cat: streams and datagrams of the host, or of a guest.

import { CatRun } from "../cat/cat.ts";
import { GuestNetwork } from "../cat/guest-network.ts";
import { HostNetwork } from "../cat/host-network.ts";
import { MadeSource } from "../cat/made-source.ts";
import type { Network } from "../cat/network.ts";
import type { CatOptions } from "../cat/options.ts";
import { probe } from "../cat/probe.ts";
import { Random } from "../cat/random.ts";
import { refuse } from "../cat/refusals.ts";
import { sinkFor } from "../cat/sink.ts";
import { EchoSource, NoSource, type Source } from "../cat/source.ts";
import { Stats } from "../cat/stats.ts";
import { StdinSource } from "../cat/stdin-source.ts";
import { familyOf, optionsOf, type TypedCat } from "../cat/typed.ts";
import { Exit, errorLine, TIMED_OUT } from "../errors.ts";
import { dieBy } from "../signals.ts";

/** Who was parted from because the time is over has this long to take what it was sent. */
const LAST_MS = 1000;
const SAID_BYTES_MAX = 64 * 1024;
const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export async function cat(words: readonly string[], typed: TypedCat): Promise<number> {
  const options = optionsOf(words, typed);
  refuse(options, typed);
  const network = await networkOf(options, typed);
  try {
    if (options.probe) return await probe(network, options);
    return await runCat(network, options);
  } finally {
    await network.close();
  }
}

async function networkOf({ sendBuffer, receiveBuffer }: CatOptions, typed: TypedCat): Promise<Network> {
  const { attach } = typed;
  const family = familyOf(typed);
  if (attach === undefined) return new HostNetwork({ family, sendBuffer, receiveBuffer });
  return await GuestNetwork.attach(attach, family);
}

async function runCat(network: Network, options: CatOptions): Promise<number> {
  const say = (text: string): void => {
    // Whoever holds the other end and does not read it gets no more of them, and costs no memory.
    if (process.stderr.writableLength < SAID_BYTES_MAX) process.stderr.write(text);
  };
  const sink = sinkFor({
    output: options.output,
    isLabelled: options.label,
    onError: (error) => {
      run.fail(`${options.output}: ${errorLine(error)}`);
      run.leave();
    },
  });
  // Nobody is left to be told: a terminal that has hung up.
  process.stderr.on("error", () => {});
  let source: Source | undefined;
  let isEnding = false;
  const end = (signal: NodeJS.Signals): void => {
    if (isEnding) return;
    isEnding = true;
    source?.close();
    stats?.close();
    void run.end().then(() => dieBy(signal));
  };
  const run = new CatRun(options, {
    network,
    sink,
    said: { say },
    source: (made) => {
      source = sourceOf(made, () => end("SIGINT"));
      return source;
    },
  });
  const isLive = process.stderr.isTTY === true;
  const stats = options.stats ? new Stats(run, { json: options.json, isLive, write: say }) : undefined;
  for (const signal of ENDING) process.on(signal, end);
  let hasTimedOut = false;
  const { timeoutMs } = options;
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          hasTimedOut = true;
          run.say("--timeout is over");
          run.leave();
          setTimeout(() => run.stop(), LAST_MS).unref();
        }, timeoutMs);
  try {
    await run.run();
  } finally {
    clearTimeout(timer);
    for (const signal of ENDING) process.off(signal, end);
    stats?.close();
    await sink?.close();
  }
  if (hasTimedOut) return TIMED_OUT;
  return run.failed ? Exit.FAILED : Exit.OK;
}

function sourceOf(run: CatRun, onInterrupt: () => void): Source {
  const { input, slow, chunkBytes, sizes, isAscii, seed } = run.options;
  switch (input) {
    case "none":
      return new NoSource();
    case "echo":
      return new EchoSource();
    case "random":
    case "fixed":
      return new MadeSource({ sizes, isAscii, isFixed: input === "fixed" }, new Random(seed));
    default:
      return new StdinSource({
        keys: input === "stdin",
        byLine: input === "lines",
        chunkBytes,
        slow,
        onEnd: () => run.inputEnded(),
        onInterrupt,
      });
  }
}
