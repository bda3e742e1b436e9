// ringway top: guests with their rates, as they are. On a terminal it draws its screen anew each second, on a key, and
// when the terminal has another size; with --once it prints one table, for a script.
//
//   looking ── a second, a key, another size ──> drawn
//      └── q, Ctrl-C, SIGTERM, SIGHUP, the monitor is gone ──> the terminal is as it was ──> over
//
//      Whoever ends it does not wait for a monitor that says nothing. A second one dies by its signal.
//
// Invariant: however it ends, the terminal is given back: its own screen, its cursor, its lines.

import { setTimeout } from "node:timers/promises";
import type { AdminClient } from "@ringway/monitor";
import { allGuests, withAdmin } from "../admin/client.ts";
import { KEYS, type Look, rowsOf, SORTS, screenOf } from "../admin/top-view.ts";
import { Exit, UsageError } from "../errors.ts";
import { dieBy } from "../signals.ts";

export interface TopOptions {
  readonly admin?: string;
  readonly once?: boolean;
  readonly sort: string;
  readonly intervalMs: number;
}

const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const TO_LINE_END = "\x1b[K";
const TO_SCREEN_END = "\x1b[J";
const QUIT = ["q", "Q"];
/** Raw, a terminal makes no signal of it. */
const CTRL_C = "\x03";
/** What an arrow, or another key that is no letter, begins with. */
const ESCAPE = "\x1b";
const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export async function top(options: TopOptions): Promise<number> {
  return await withAdmin(options.admin, async (client) => {
    if (options.once) await printOnce(client, options);
    else await new Screen(client, options).show();
    return Exit.OK;
  });
}

async function look(client: AdminClient): Promise<Look> {
  const { items, isCut } = await allGuests(client);
  return { atMs: performance.now(), guests: items, isCut };
}

async function printOnce(client: AdminClient, { sort, intervalMs }: TopOptions): Promise<void> {
  const before = await look(client);
  await setTimeout(intervalMs);
  const now = await look(client);
  const all = { columns: Number.POSITIVE_INFINITY, lines: Number.POSITIVE_INFINITY, isCut: now.isCut };
  console.log(screenOf(rowsOf(before, now), sort, all).join("\n"));
}

class Screen {
  readonly #client: AdminClient;
  readonly #intervalMs: number;
  readonly #over: AbortController = new AbortController();
  #sort: string;
  #before: Look | undefined;
  #now: Look | undefined;

  constructor(client: AdminClient, { sort, intervalMs }: TopOptions) {
    const { stdin, stdout } = process;
    if (!stdin.isTTY || !stdout.isTTY) {
      throw new UsageError("top needs a terminal; --once prints one table, also to a file");
    }
    this.#client = client;
    this.#sort = sort;
    this.#intervalMs = intervalMs;
  }

  async show(): Promise<void> {
    const { stdin, stdout } = process;
    const end = (): void => this.#end();
    const endBy = (signal: NodeJS.Signals): void => this.#endBy(signal);
    const draw = (): void => this.#draw();
    const onKey = (keys: Buffer): void => this.#heed(keys.toString());
    for (const signal of ENDING) process.on(signal, endBy);
    stdin.setRawMode(true);
    stdin.on("data", onKey);
    stdin.on("end", end);
    stdout.on("resize", draw);
    stdout.write(ENTER);
    try {
      while (!this.#over.signal.aborted) {
        this.#before = this.#now;
        this.#now = await this.#look();
        this.#draw();
        await setTimeout(this.#intervalMs, undefined, { signal: this.#over.signal }).catch(() => {});
      }
    } finally {
      this.#leave();
      stdout.off("resize", draw);
      stdin.off("data", onKey);
      stdin.off("end", end);
      stdin.pause();
      for (const signal of ENDING) process.off(signal, endBy);
    }
  }

  /** Undefined: it is over, whatever has become of the question. */
  async #look(): Promise<Look | undefined> {
    try {
      return await look(this.#client);
    } catch (error) {
      if (this.#over.signal.aborted) return undefined;
      throw error;
    }
  }

  #end(): void {
    this.#over.abort();
    this.#client.close();
  }

  #endBy(signal: NodeJS.Signals): void {
    if (this.#over.signal.aborted) {
      this.#leave();
      dieBy(signal);
    } else this.#end();
  }

  #leave(): void {
    process.stdout.write(LEAVE);
    process.stdin.setRawMode(false);
  }

  #heed(chunk: string): void {
    for (const key of chunk.split(ESCAPE, 1)[0]!) {
      if (key === CTRL_C) this.#endBy("SIGINT");
      if (QUIT.includes(key)) this.#end();
      const sort = Object.keys(SORTS).find((word) => SORTS[word]!.key === key.toLowerCase());
      if (sort === undefined) continue;
      this.#sort = sort;
      this.#draw();
    }
  }

  #draw(): void {
    if (this.#now === undefined || this.#over.signal.aborted) return;
    // A terminal of no size, as one of a serial line, has 0 of both.
    const [columns, lines] = [process.stdout.columns || 80, process.stdout.rows || 24];
    const { isCut } = this.#now;
    const rows = rowsOf(this.#before ?? this.#now, this.#now);
    const drawn = screenOf(rows, this.#sort, { columns, lines: lines - 1, isCut });
    const keys = KEYS.slice(0, columns);
    const text = drawn.map((line) => `${line}${TO_LINE_END}\r\n`).join("");
    process.stdout.write(`${HOME}${text}${keys}${TO_LINE_END}${TO_SCREEN_END}`);
  }
}
