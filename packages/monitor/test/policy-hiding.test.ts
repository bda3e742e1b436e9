// Which names a mount shows above the folders of a policy that hides its rules: those that lead to a folder which can
// be had.

import fc from "fast-check";
import { expect, test } from "vitest";
import { compilePolicy } from "../src/policy/compiled/compile.ts";
import { HidingMatcher, type RuleFolders } from "../src/policy/hiding-matcher.ts";
import { type FilesRule, type Policy, parsePolicy } from "../src/policy/index.ts";
import { NO_SURROUNDINGS } from "../src/policy/surroundings.ts";

function policyOf(guests: readonly string[]): Policy {
  const policy = parsePolicy("version: 1\nrefusals: hide", { file: "/policy.yaml" });
  const files = guests.map(
    (guest, i): FilesRule => ({
      id: `r${i}`,
      guest,
      host: "/srv",
      access: "rw",
      crossMounts: false,
      xattrs: [],
    }),
  );
  return { ...policy, files };
}

/** The folders of rules; those of `lost` cannot be had. `asked` counts. */
function foldersOf(lost: ReadonlySet<number>): RuleFolders & { asked: number } {
  return {
    asked: 0,
    root(index) {
      this.asked++;
      return { fd: lost.has(index) ? -2 : 3, reason: "is lost" };
    },
    socketFolder: () => ({ fd: -2, reason: "is none" }),
  };
}

const name = fc.constantFrom("a", "b", "c");
const guest = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => `/${names.join("/")}`);

/** By what it means: a name is shown where it may be read, or leads to one that is. */
function shown(matcher: HidingMatcher, guests: readonly string[], names: readonly string[]): string[] {
  const at = names.map((each) => `/${each}`).join("");
  const next = new Set(
    guests
      .filter((each) => each.startsWith(`${at}/`))
      .map((each) => each.slice(at.length + 1).split("/")[0]!),
  );
  return [...next].filter((each) => {
    const path = [...names, each];
    return matcher.fileAt(path, each, false).allowed || shown(matcher, guests, path).length > 0;
  });
}

test("are those at or below which something can be read", () => {
  fc.assert(
    fc.property(fc.uniqueArray(guest, { maxLength: 12 }), fc.array(fc.nat(11)), (guests, lost) => {
      const compiled = compilePolicy(policyOf(guests));
      const matcher = new HidingMatcher(compiled, NO_SURROUNDINGS, foldersOf(new Set(lost)));
      const places = new Set(
        guests.flatMap((each) => each.split("/").map((_, i, all) => all.slice(1, i + 1).join("/"))),
      );
      for (const place of places) {
        const names = place === "" ? [] : place.split("/");
        expect([...matcher.namesBelow(names)].sort()).toEqual(shown(matcher, guests, names).sort());
      }
    }),
  );
});

test("are known once, whatever is asked then", () => {
  const guests = Array.from({ length: 2000 }, (_, i) => `/a/x${i}`);
  const folders = foldersOf(new Set([7]));
  const matcher = new HidingMatcher(compilePolicy(policyOf(guests)), NO_SURROUNDINGS, folders);
  folders.asked = 0;
  expect(matcher.namesBelow(["a"]).length).toBe(1999);
  expect(matcher.namesBelow(["a"])).toBe(matcher.namesBelow(["a"]));
  expect(matcher.namesBelow([])).toEqual(["a"]);
  expect(folders.asked).toBe(0);
});
