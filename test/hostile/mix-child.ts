// The process of one flood. argv: options (JSON). Lines on stdin: "begin", which attaches, and then "go", "pause",
// "confine", "quit"; on stdout, JSON: one line when it has loaded, and one for each line that it has done, with the
// answers that it got so far.

import { createInterface } from "node:readline";
import { RawGuest } from "../support/raw-guest.ts";
import { confine } from "./confine.ts";
import type { Targets } from "./frames.ts";
import { MIXES, type Turn } from "./mixes.ts";

export interface MixOptions {
  readonly path: string;
  readonly mix: string;
  readonly targets: Targets;
}

const { path, mix: wanted, targets } = JSON.parse(process.argv[2]!) as MixOptions;
const mix = MIXES.find(({ name }) => name === wanted)!;
let turn: Turn;
let going = false;
let answers = 0;
const say = (then?: () => void): void => void process.stdout.write(`${JSON.stringify({ answers })}\n`, then);

async function begin(): Promise<void> {
  const guests: RawGuest[] = [];
  for (let i = 0; i < mix.guests; i++) guests.push(await RawGuest.attach(path));
  turn = await mix.begin(guests, targets, path);
}

async function flood(): Promise<void> {
  while (going) {
    answers += await turn();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

let over = Promise.resolve();
createInterface({ input: process.stdin }).on("line", async (line) => {
  if (line === "begin") await begin();
  else if (line === "go") {
    going = true;
    over = flood();
  } else if (line === "confine") confine();
  else {
    going = false;
    await over;
  }
  say(line === "quit" ? () => process.exit(0) : undefined);
});
say();
