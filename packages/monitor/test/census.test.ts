// What the admin API asks of the reactor's thread: pieces that are bounded by what they look at, and answers that say
// what has been done.

import { expect, test } from "vitest";
import { Tallies } from "../src/accounts/tally.ts";
import type { Attachment } from "../src/guests/attachment.ts";
import type { Stream } from "../src/guests/stream.ts";
import type { PolicyState } from "../src/policy/in-force.ts";
import { Census } from "../src/thread/census.ts";
import type { Fields, Question } from "../src/thread/census-rows.ts";

/** A census of one guest, whose turn comes when it is told to. */
class Counted {
  readonly answers: { readonly fields: Fields; readonly isLast: boolean }[] = [];
  readonly #streams: ReadonlyMap<number, Stream>;
  readonly #idsEnd: number;
  readonly #census: Census;
  readonly #soon: (() => void)[] = [];
  readonly #turn: (() => void)[] = [];
  looks = 0;

  constructor(streams: ReadonlyMap<number, Stream>, idsEnd: number) {
    this.#streams = streams;
    this.#idsEnd = idsEnd;
    const policy = {} as PolicyState;
    this.#census = new Census({
      guests: new Set([this.#guest(policy)]),
      tallies: new Tallies(),
      disk: { running: 0, waiting: 0 },
      connectTimes: new Map(),
      opener: { allowsStill: () => false } as never,
      published: undefined as never,
      policyOf: () => policy,
      soon: (run) => void this.#soon.push(run),
      post: (message) => void this.answers.push(message as never),
    });
  }

  #guest(policy: PolicyState): Attachment {
    return {
      serial: 1,
      policy,
      life: { over: false },
      share: { perform: (work: () => void) => void this.#turn.push(work) },
      streams: {
        idsEnd: this.#idsEnd,
        open: (id: number) => {
          this.looks++;
          return this.#streams.get(id);
        },
        known: (id: number) => this.#streams.get(id),
      },
    } as unknown as Attachment;
  }

  ask(question: Question): void {
    this.#census.ask(1, question);
  }

  /** False: there is none. */
  piece(): boolean {
    const run = this.#soon.shift();
    run?.();
    return run !== undefined;
  }

  itsTurn(): void {
    for (const work of this.#turn.splice(0)) work();
  }
}

/** `isThere`: it has not ended by then. */
const streamOf = (id: number, isThere = true): [number, Stream] => [
  id,
  { id, granted: {}, guard: (work: () => void) => work(), cut: () => isThere } as unknown as Stream,
];

const CUT: Question = { what: "cut", tenant: undefined };
const RESET: Question = { what: "reset-stream", guest: 1, stream: 1, generation: 0 };

test.each<[string, Question, Fields[number], Fields[number]]>([
  ["a cut", CUT, 2, 1],
  ["the end of a stream", RESET, true, false],
])("%s is told when it has come, and not of what has ended by itself before", (_, question, all, less) => {
  for (const [isThere, told] of [
    [true, all],
    [false, less],
  ] as const) {
    const counted = new Counted(new Map([streamOf(1, isThere), streamOf(2)]), 3);
    counted.ask(question);
    for (let pieces = 0; pieces < 5; pieces++) counted.piece();
    expect(counted.answers).toEqual([]);
    counted.itsTurn();
    expect(counted.piece()).toBe(true);
    expect(counted.answers).toMatchObject([{ fields: [told], isLast: true }]);
    expect(counted.piece()).toBe(false);
  }
});

test("a guest that had a million streams once makes no piece longer", () => {
  const counted = new Counted(new Map([streamOf(999_999)]), 1_000_000);
  counted.ask(CUT);
  let most = 0;
  for (let before = 0; counted.piece(); before = counted.looks) {
    most = Math.max(most, counted.looks - before);
    counted.itsTurn();
  }
  expect(counted.looks).toBe(999_999);
  expect(most).toBeLessThanOrEqual(4096);
  expect(counted.answers).toMatchObject([{ fields: [1], isLast: true }]);
});
