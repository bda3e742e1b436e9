// Runs every vector and scenario against one testee.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Testee, TesteeMissing, TesteeMute, TesteeUnsupported } from "./contract.ts";
import { scenarios } from "./scenarios/index.ts";
import { vectorCases } from "./vector-cases.ts";
import { type Case, type Check, Stopped, Unsupported, World } from "./world.ts";

/** A testee that breaks the contract more often is not asked again. */
const MOST_RESTARTS = 20;
/** One that has never answered at all is none. */
const MOST_MUTE_STARTS = 3;

/** All that is asked of a guest. */
export function guestCases(): Case[] {
  return [...vectorCases(), ...scenarios];
}

export interface RunOptions {
  /** Only cases whose name or clauses contain one of these. */
  readonly only?: readonly string[];
  /** But these, by their whole names. */
  readonly except?: readonly string[];
  /** Before each case. */
  readonly onCase?: (index: number, cases: number) => void;
}

/** `only` names no case and no clause. */
export class NothingSelected extends Error {
  override readonly name: string = "NothingSelected";
}

/** Does `text` select the case? By a clause, or by a part of its name. */
function selects({ name, clauses }: Case, text: string): boolean {
  return name.includes(text) || clauses.includes(text);
}

/** Throws NothingSelected where one of `only` selects no case: nobody takes a report without checks for a good one. */
function requireSelection(cases: readonly Case[], only: readonly string[]): void {
  const idle = only.filter((text) => !cases.some((each) => selects(each, text)));
  if (idle.length === 0) return;
  const clauses = new Set(cases.flatMap((each) => each.clauses.map((clause) => clause.split("-")[0]!)));
  const groups = new Set(
    cases.map(({ name }) => name.split(":")[0]!).filter((group) => !group.includes(" ")),
  );
  throw new NothingSelected(
    `no case and no clause is called ${idle.map((text) => `"${text}"`).join(" or ")}; ` +
      `there are clauses ${[...clauses].sort().join("-n, ")}-n, and cases ${[...groups].sort().join(", ")}`,
  );
}

/**
 * Every check of every case. `start` makes a testee; another is made when one has broken the contract, since nothing
 * can be asked of it any more. Throws TesteeMute where that happens before any answer.
 */
export async function runGuest(
  start: () => Promise<Testee> | Testee,
  { only = [], except = [], onCase }: RunOptions = {},
): Promise<Check[]> {
  const all = guestCases();
  requireSelection(all, only);
  const cases = all
    .filter(({ name }) => !except.includes(name))
    .filter((each) => only.length === 0 || only.some((text) => selects(each, text)));
  return await runCases(start, cases, (_, index) => {
    onCase?.(index, cases.length);
    return true;
  });
}

/** runGuest() of these cases, for as long as `goesOn` says so before each, with the checks until then. */
export async function runCases(
  start: () => Promise<Testee> | Testee,
  cases: readonly Case[],
  goesOn: (checks: readonly Check[], index: number) => boolean,
): Promise<Check[]> {
  const folder = mkdtempSync(join(tmpdir(), "ringway-conformance-"));
  const checks: Check[] = [];
  let testee: Testee | undefined;
  let restarts = 0;
  let hasAnswered = false;
  const onAnswer = (): void => {
    hasAnswered = true;
  };
  let absent: TesteeUnsupported | undefined;
  try {
    for (const [index, each] of cases.entries()) {
      if (!goesOn(checks, index)) break;
      if (absent !== undefined) {
        checks.push(...every(each, "unsupported", absent));
        continue;
      }
      if (restarts > MOST_RESTARTS) {
        checks.push(...every(each, "failed", new Error(`given up: it broke the contract ${restarts} times`)));
        continue;
      }
      testee ??= heard(await start(), onAnswer);
      const world = new World(testee, folder, `region-${index}`, each);
      try {
        await each.run(world);
        checks.push(...world.checks);
      } catch (error) {
        if (error instanceof TesteeMissing) throw error;
        checks.push(...world.checks, ...stopped(each, world.checks, error));
        if (error instanceof TesteeUnsupported) absent = error;
        // Whatever state it was left in must not be the next case's trouble.
        if (!(error instanceof Unsupported || error instanceof Stopped)) {
          await testee[Symbol.asyncDispose]();
          testee = undefined;
          restarts++;
          if (!hasAnswered && restarts === MOST_MUTE_STARTS) throw new TesteeMute(muteBecause(error));
        }
      } finally {
        world[Symbol.dispose]();
      }
    }
  } finally {
    await testee?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  }
  return checks;
}

/** The same testee, with an ear on it. */
function heard(testee: Testee, onAnswer: () => void): Testee {
  return {
    name: testee.name,
    ask: async (command, memory) => {
      const reply = await testee.ask(command, memory);
      onAnswer();
      return reply;
    },
    [Symbol.asyncDispose]: () => testee[Symbol.asyncDispose](),
  };
}

function muteBecause(error: unknown): string {
  const why = error instanceof Error ? error.message : String(error);
  return `it never answered, in ${MOST_MUTE_STARTS} starts: ${why}; docs/conformance.md says what a testee is`;
}

/** What a case that did not run to its end says of the clauses that it has not checked. */
function stopped(each: Case, made: readonly Check[], error: unknown): Check[] {
  const left = {
    ...each,
    clauses: each.clauses.filter((clause) => !made.some((check) => check.clause === clause)),
  };
  if (error instanceof Unsupported || error instanceof TesteeUnsupported)
    return every(left, "unsupported", error);
  if (error instanceof Stopped) return [];
  return every(left.clauses.length > 0 ? left : each, "failed", error);
}

function every({ name, clauses }: Case, outcome: Check["outcome"], error: unknown): Check[] {
  const why = error instanceof Error ? error.message : String(error);
  return clauses.map((clause) => ({ clause, case: name, outcome, why }));
}
