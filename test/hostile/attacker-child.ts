// The hostile guest's process. argv: options (JSON). Lines on stdin: "go", "pause", "confine", "log", "quit"; on
// stdout, JSON: its tally twice a second and when it is done, and its last actions when asked.

import { createInterface } from "node:readline";
import { Attacker, type AttackerOptions } from "./attacker.ts";
import { confine } from "./confine.ts";

interface Options extends AttackerOptions {
  readonly from: number;
  /** Mutations after which it is done; 0: none. */
  readonly mutations: number;
  readonly steps: number;
  /** It rests only where the host has not looked meanwhile. */
  readonly hurries?: boolean;
}

/** Steps between two moments in which the monitor may look, and batches between two rests. */
const BATCH = 8;
const BATCHES_PER_REST = 8;

const options = JSON.parse(process.argv[2]!) as Options;
const attacker = new Attacker(options);
let going = false;
let ended = false;
let resume = (): void => {};

const say = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
const tell = (): void => say({ tally: attacker.tally });

createInterface({ input: process.stdin }).on("line", (line) => {
  if (line === "go") {
    going = true;
    resume();
  } else if (line === "pause") going = false;
  else if (line === "confine") confine();
  else if (line === "log") say({ log: attacker.log });
  else if (line === "quit") {
    ended = true;
    resume();
  }
});

/** The host's turn, and now and then a rest, which also spares the machine; or for as long as it has not looked. */
async function looked(step: number): Promise<void> {
  const rests = step % (BATCH * BATCHES_PER_REST) === 0 && !(options.hurries && attacker.isHeard);
  if (rests) await new Promise((resolve) => setTimeout(resolve, 1));
  else await new Promise((resolve) => setImmediate(resolve));
}

const done = (step: number): boolean =>
  (options.mutations > 0 && attacker.tally.mutations >= options.mutations) ||
  (options.steps > 0 && step >= options.from + options.steps);

setInterval(tell, 500).unref();
for (let step = options.from; !ended && !done(step); step++) {
  if (!going) {
    say({ paused: true });
    await new Promise<void>((resolve) => {
      resume = resolve;
    });
  }
  await attacker.step(step);
  if (step % BATCH === 0) await looked(step);
}
await attacker.close();
say({ tally: attacker.tally, done: true });
process.exit(0);
