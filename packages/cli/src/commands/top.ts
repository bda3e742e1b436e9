// ringway top: guests with their rates, as they are. On a terminal it draws its screen anew each second, on a key, and
// when the terminal has another size; with --once it prints one table, for a script.
//
//   looking ── a second, a key, another size ──> drawn
//      └── q, Ctrl-C, SIGTERM, SIGHUP, the monitor is gone ──> the terminal is as it was ──> over
//
// Invariant: however it ends, the terminal is given back: its own screen, its cursor, its lines.

import { setTimeout } from "node:timers/promises";
import type { AdminClient } from "@ringway/monitor";
import { allGuests, withAdmin } from "../admin/client.ts";
import { KEYS, type Look, rowsOf, SORTS, screenOf } from "../admin/top-view.ts";
import { Exit, UsageError } from "../errors.ts";

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
const QUIT = ["q", "Q", "\x03"];
const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export async function top(options: TopOptions): Promise<number> {
  return await withAdmin(options.admin, async (client) => {
    if (options.once) await printOnce(client, options);
    else await new Screen(client, options).show();
    return Exit.OK;
  });
}

async function look(client: AdminClient): Promise<Look> {
  const guests = await allGuests(client);
  return { atMs: performance.now(), guests };
}

async function printOnce(client: AdminClient, { sort, intervalMs }: TopOptions): Promise<void> {
  const before = await look(client);
  await setTimeout(intervalMs);
  const rows = rowsOf(before, await look(client));
  const all = { columns: Number.POSITIVE_INFINITY, lines: Number.POSITIVE_INFINITY };
  console.log(screenOf(rows, sort, all).join("\n"));
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
    const end = (): void => this.#over.abort();
    const draw = (): void => this.#draw();
    const onKey = (keys: Buffer): void => this.#heed(keys.toString());
    for (const signal of ENDING) process.on(signal, end);
    stdin.setRawMode(true);
    stdin.on("data", onKey);
    stdin.on("end", end);
    stdout.on("resize", draw);
    stdout.write(ENTER);
    try {
      while (!this.#over.signal.aborted) {
        this.#before = this.#now;
        this.#now = await look(this.#client);
        this.#draw();
        await setTimeout(this.#intervalMs, undefined, { signal: this.#over.signal }).catch(() => {});
      }
    } finally {
      stdout.write(LEAVE);
      stdout.off("resize", draw);
      stdin.off("data", onKey);
      stdin.off("end", end);
      stdin.setRawMode(false);
      stdin.pause();
      for (const signal of ENDING) process.off(signal, end);
    }
  }

  #heed(keys: string): void {
    for (const key of keys) {
      if (QUIT.includes(key)) this.#over.abort();
      const sort = Object.keys(SORTS).find((word) => SORTS[word]!.key === key.toLowerCase());
      if (sort === undefined) continue;
      this.#sort = sort;
      this.#draw();
    }
  }

  #draw(): void {
    if (this.#now === undefined || this.#over.signal.aborted) return;
    const { columns = 80, rows: lines = 24 } = process.stdout;
    const rows = rowsOf(this.#before ?? this.#now, this.#now);
    const drawn = screenOf(rows, this.#sort, { columns, lines: lines - 1 });
    const keys = KEYS.slice(0, columns);
    const text = drawn.map((line) => `${line}${TO_LINE_END}\r\n`).join("");
    process.stdout.write(`${HOME}${text}${keys}${TO_LINE_END}${TO_SCREEN_END}`);
  }
}
