import { Errno } from "@ringway/control";
import { expect, test } from "vitest";
import { Resolver } from "../src/resolver.ts";

/** A lookup that answers when told to, and says what was asked. */
function byHand() {
  const asked: string[] = [];
  const answers = new Map<string, () => void>();
  const lookup = (name: string): Promise<readonly string[]> => {
    asked.push(name);
    return new Promise((resolve) => answers.set(name, () => resolve(["192.0.2.1"])));
  };
  return { asked, lookup, answer: (name: string) => answers.get(name)!() };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a guest with names that never answer leaves lookups for the others", async () => {
  const { asked, lookup, answer } = byHand();
  const resolver = new Resolver(lookup);
  const dead = Array.from({ length: 100 }, (_, i) => resolver.resolve("greedy", `dead-${i}`, 1000));
  const other = resolver.resolve("modest", "alive", 1000);
  await turn();
  expect(asked).toEqual(["dead-0", "dead-1", "dead-2", "dead-3", "alive"]);
  answer("alive");
  expect(await other).toEqual({ addresses: ["192.0.2.1"], errno: 0 });
  answer("dead-1");
  await turn();
  expect(asked.at(-1)).toBe("dead-4");
  const results = await Promise.all(dead);
  expect(results.filter(({ errno }) => errno === Errno.ETIMEDOUT)).toHaveLength(99);
});

test("whoever waited in vain gives its turn on", async () => {
  const { asked, lookup, answer } = byHand();
  const resolver = new Resolver(lookup);
  const guests = ["a", "b", "c", "d"];
  for (const guest of guests)
    for (let i = 0; i < 4; i++) void resolver.resolve(guest, `${guest}${i}`, 60_000);
  await turn();
  expect(asked).toHaveLength(16);
  expect(await resolver.resolve("e", "late", 20)).toEqual({ addresses: [], errno: Errno.ETIMEDOUT });
  const patient = resolver.resolve("e", "patient", 5000);
  answer("a0");
  await turn();
  expect(asked.at(-1)).toBe("patient");
  answer("patient");
  expect((await patient).errno).toBe(0);
  for (const guest of guests) for (let i = 0; i < 4; i++) answer(`${guest}${i}`);
});
