// Every mix in turn against one monitor, and how a guest beside it fares: what `npm run fuzz` prints of them, and what
// floods.test.ts holds them to.

import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/wait.ts";
import { ANSWER_MS, Child, here } from "./child.ts";
import { compiled } from "./compiled.ts";
import { confine, release } from "./confine.ts";
import {
  type Fares,
  isSettled,
  type Judged,
  judge,
  P99_TIMES_MAX,
  type Pair,
  THROUGHPUT_SHARE_MIN,
} from "./fares.ts";
import { MIXES, type Mix } from "./mixes.ts";
import { makeWorld, type World } from "./world.ts";

export interface FloodOptions {
  /** Measurements of the well-behaved guest beside each mix, each undisturbed and disturbed: confined, and not. */
  readonly pairs: number;
  readonly unconfinedPairs: number;
  readonly windowMs: number;
  /** What is asked of a confined pair; once more than half of them keep it, no more are measured. */
  readonly keeps?: (pair: Pair) => boolean;
}

export interface Flooded {
  readonly mix: string;
  /** Answers that the mix got. */
  readonly answers: number;
  readonly confined: Judged;
  readonly unconfined: Judged;
}

/** What the audit log takes, in bytes a second: less than a guest may cause. */
const LOG_BYTES_PER_S = 500_000;

/** Times, one after the other, that it holds less than half of what a pipe may: then nothing waits for room in it. */
const EMPTY_TIMES = 3;
const HALF_BYTES = 32 * 1024;

/** A log whose reader takes so many bytes in a second. */
class SlowLog implements Disposable {
  readonly path: string;
  readonly #fd: number;
  readonly #reading: NodeJS.Timeout;
  #isFast = false;
  #empty = 0;

  constructor(folder: string) {
    this.path = join(folder, "run", "audit");
    execFileSync("mkfifo", [this.path]);
    this.#fd = openSync(this.path, constants.O_RDONLY | constants.O_NONBLOCK);
    const chunk = Buffer.alloc(1024 * 1024);
    let beforeMs = performance.now();
    this.#reading = setInterval(() => {
      const nowMs = performance.now();
      const bytes = Math.floor((Math.min(nowMs - beforeMs, 100) * LOG_BYTES_PER_S) / 1000);
      beforeMs = nowMs;
      let got = 0;
      try {
        got = readSync(this.#fd, chunk, 0, this.#isFast ? chunk.length : bytes, null);
      } catch {
        // EAGAIN: what was written has been read.
      }
      this.#empty = got < HALF_BYTES ? this.#empty + 1 : 0;
    }, 10);
  }

  /** What waits for it is read, as fast as it comes: what is measured next is not behind it. */
  async drain(): Promise<void> {
    this.#isFast = true;
    this.#empty = 0;
    await until("the log to be read", () => this.#empty >= EMPTY_TIMES, ANSWER_MS);
    this.#isFast = false;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#reading);
    closeSync(this.#fd);
  }
}

export class Floods implements AsyncDisposable {
  readonly #world: World;
  readonly #monitor: Child;
  readonly #good: Child;
  readonly #log: SlowLog | undefined;
  /** Processes of mixes that have not begun, by name: they load two at a time, and then wait, for nothing. */
  readonly #loaded: Map<string, Child> = new Map();

  private constructor(world: World, monitor: Child, good: Child, log: SlowLog | undefined) {
    this.#world = world;
    this.#monitor = monitor;
    this.#good = good;
    this.#log = log;
  }

  /** `audited`: for the mixes that are, and for no other. */
  static async begin({ audited = false } = {}): Promise<Floods> {
    const world = await makeWorld({ flooded: true, audited });
    const { socket, policyFile, quietPort } = world;
    const log = audited ? new SlowLog(world.folder) : undefined;
    const monitor = new Child(process.execPath, [
      "--expose-gc",
      here("monitor-child.mjs"),
      socket,
      policyFile,
      ...(log === undefined ? [] : [log.path]),
    ]);
    await monitor.ask("");
    const goodArgs = [socket, String(quietPort), ...(audited ? ["connects"] : [])];
    const good = new Child(process.execPath, [await compiled("good-child.ts"), ...goodArgs]);
    await good.ask("");
    const floods = new Floods(world, monitor, good, log);
    await floods.#measure(500);
    return floods;
  }

  counters(): Promise<Record<string, number>> {
    return this.#monitor.ask("counters");
  }

  async run(mix: Mix, options: FloodOptions): Promise<Flooded> {
    const { pairs, unconfinedPairs, windowMs, keeps = () => false } = options;
    using child = await this.#load(mix);
    await child.ask("begin", 3 * ANSWER_MS);
    const measure = async (count: number, settles: (pair: Pair) => boolean): Promise<Judged> => {
      const measured: Pair[] = [];
      while (measured.length < count && !isSettled(measured, count, settles)) {
        const undisturbed = await this.#measure(windowMs);
        await child.ask("go");
        await this.#rest(100);
        const disturbed = await this.#measure(windowMs);
        await child.ask("pause", 3 * ANSWER_MS);
        await this.#log?.drain();
        await this.#rest(100);
        measured.push({ undisturbed, disturbed });
      }
      return judge(measured);
    };
    // Not measured: it gets somewhere, however little of the processor is left for it afterwards.
    await child.ask("go");
    await this.#rest(300);
    await child.ask("pause", 3 * ANSWER_MS);
    await this.#log?.drain();
    const unconfined = await measure(unconfinedPairs, () => false);
    await child.ask("confine");
    // Its servers are this process: what they take of a processor is as little the monitor's doing as what it takes.
    confine();
    const confined = await measure(pairs, keeps);
    release();
    const { answers } = await child.ask<{ answers: number }>("quit");
    await this.#rest(200);
    return { mix: mix.name, answers, confined, unconfined };
  }

  /** A mix's process; the next mix's is loaded with it, so that both processors have something to do. */
  async #load(mix: Mix): Promise<Child> {
    if (!this.#loaded.has(mix.name)) {
      const own = MIXES.filter(({ audited }) => audited === mix.audited);
      const both = own.slice(own.indexOf(mix), own.indexOf(mix) + 2);
      const { socket: path, targets } = this.#world;
      const program = await compiled("mix-child.ts");
      for (const { name } of both) {
        const options = JSON.stringify({ path, mix: name, targets });
        this.#loaded.set(name, new Child(process.execPath, [program, options]));
      }
      await Promise.all(both.map(({ name }) => this.#loaded.get(name)!.ask("", 3 * ANSWER_MS)));
    }
    const child = this.#loaded.get(mix.name)!;
    this.#loaded.delete(mix.name);
    return child;
  }

  #measure(ms: number): Promise<Fares> {
    return this.#good.ask<Fares>(`measure ${ms}`, ms + 3 * ANSWER_MS);
  }

  #rest(ms: number): Promise<Fares> {
    return this.#good.ask<Fares>(`rest ${ms}`, ms + 3 * ANSWER_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [...this.#loaded.values(), this.#good, this.#monitor]) child[Symbol.dispose]();
    this.#log?.[Symbol.dispose]();
    await this.#world[Symbol.asyncDispose]();
  }
}

/** What promise 8 says of it, and was not so. */
export function broken({ mix, answers, confined }: Flooded): string[] {
  const wrong: string[] = [];
  if (answers === 0) wrong.push(`${mix}: got no answer, so it tried nothing`);
  if (confined.throughputShare < THROUGHPUT_SHARE_MIN)
    wrong.push(
      `${mix}: the well-behaved guest kept ${confined.throughputShare.toFixed(2)} of its throughput`,
    );
  if (confined.p99Times > P99_TIMES_MAX)
    wrong.push(
      `${mix}: its p99 round trip took ${confined.p99Times.toFixed(1)} times as long as undisturbed`,
    );
  return wrong;
}

/** One line of what a mix did. */
export function told({ mix, answers, confined, unconfined }: Flooded): string {
  const of = ({ undisturbed, disturbed, throughputShare, p99Times }: Judged): string =>
    undisturbed === undefined || disturbed === undefined
      ? "-"
      : `${undisturbed.mibPerS} -> ${disturbed.mibPerS} MiB/s (${throughputShare.toFixed(2)}), p99 ${undisturbed.p99Us} -> ${disturbed.p99Us} us (${p99Times.toFixed(1)})`;
  return `${mix}: ${answers} answers; ${of(confined)}; unconfined ${of(unconfined)}`;
}
