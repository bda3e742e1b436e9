// What is started before the tests of a file or a describe, and ends after them: also when a later beginning fails.

import { afterAll, afterEach } from "vitest";

type Held = Disposable | AsyncDisposable;
/** Gives back what it is given, and holds it: the last one ends first. */
export type Hold = <T extends Held>(thing: T) => T;

async function endAll(things: Held[]): Promise<void> {
  const failures: unknown[] = [];
  for (let thing = things.pop(); thing !== undefined; thing = things.pop()) {
    try {
      if (Symbol.asyncDispose in thing) await thing[Symbol.asyncDispose]();
      else thing[Symbol.dispose]();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

function holding(after: (end: () => Promise<void>) => void): Hold {
  const things: Held[] = [];
  after(() => endAll(things));
  return (thing) => {
    things.push(thing);
    return thing;
  };
}

/** Ends after all tests of the file or describe that calls it. */
export const heldForAll = (): Hold => holding(afterAll);

/** Ends after each test. */
export const heldForEach = (): Hold => holding(afterEach);
