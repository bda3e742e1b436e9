// No bell is lost, no byte, and no end is false; no datagram is split, merged, or lost in silence: proved for small
// bounds, by every interleaving (PROTOCOL.md RING-9, RING-6, BELL-6, UDP-5, UDP-10). The threads run the production
// code of @ringway/control, and of the monitor for datagrams; see explore.ts for what is proved and fiber.ts for how.
//
// RINGWAY_MODEL=verbose prints the size of each state space, and the schedule that gives each mutant away.

import { afterAll, describe, expect, test } from "vitest";
import { datagramMutants, datagramScenarios } from "./datagrams.ts";
import { explore } from "./explore.ts";
import { harmless, mutants } from "./mutants.ts";
import { loadProduction } from "./production.ts";
import { bellScenarios, ringScenarios, type Scenario } from "./scenarios.ts";

const verbose = process.env.RINGWAY_MODEL === "verbose";
const lines: string[] = [];
afterAll(() => {
  if (verbose) console.log(lines.join("\n"));
});

const production = loadProduction();

function prove(scenario: Scenario): void {
  const startMs = performance.now();
  const { states, edges, longest, failure } = explore(scenario.build(production));
  const ms = Math.round(performance.now() - startMs);
  lines.push(`${scenario.name}: ${states} states, ${edges} steps, the longest schedule ${longest}, ${ms} ms`);
  expect(failure, failure).toBeUndefined();
  expect(states).toBeGreaterThan(300);
}

describe("every interleaving of a ring's two ends comes to its end", () => {
  test.each(ringScenarios)("$name", prove);
});

describe("every interleaving of a doorbell's two ends comes to its end", () => {
  test.each(bellScenarios)("$name", prove);
});

describe("every interleaving of datagrams to a guest keeps each whole, and tells what is lost", () => {
  test.each(datagramScenarios)("$name", { timeout: 180_000 }, prove);
});

describe("the explorer finds a mistake", () => {
  // Where there is none, it finds none: what it finds below is the mistake.
  test.each([...new Set(mutants.map(({ scenario }) => scenario))])("and none in: $name", prove);

  test.each(mutants)("$name", ({ name, patches, mistake, scenario, finds }) => {
    const { failure, states } = explore(scenario.build(loadProduction(patches), mistake));
    lines.push(`\n${name}, found after ${states} states: ${failure}`);
    expect(failure).toMatch(finds);
  });

  test.each(datagramMutants)("$name", { timeout: 180_000 }, ({ name, scenario, finds }) => {
    const { failure, states } = explore(scenario.build(production));
    lines.push(`\n${name}, found after ${states} states: ${failure}`);
    expect(failure).toMatch(finds);
  });
});

test.each(harmless)("nothing is lost where $name", ({ patches, scenario }) => {
  const { failure } = explore(scenario.build(loadProduction(patches)));
  expect(failure, failure).toBeUndefined();
});
