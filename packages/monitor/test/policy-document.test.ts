// Other YAML files of the host's, read as policies are.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PolicyLoader, type YamlPlace } from "@ringway/monitor";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { readDocument } from "../src/policy/document.ts";
import { PolicyError } from "../src/policy/errors.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function reportOf(text: string | Uint8Array, read: (root: YamlPlace) => unknown): string[] {
  try {
    readDocument(typeof text === "string" ? bytes(text) : text, "f", read);
    return [];
  } catch (error) {
    if (error instanceof PolicyError) return error.report().split("\n");
    throw error;
  }
}

describe("readDocument()", () => {
  const read = (root: YamlPlace): unknown => {
    const keys = root.map("a map", { known: ["name", "sizes", "kind"], required: ["name"] });
    const sizes = keys?.get("sizes")?.oneOrMore("a size") ?? [];
    return [
      keys?.get("name")?.text("a name"),
      sizes.map((each) => each.whole("a size from 1 to 9", [1, 9])),
      keys?.get("kind")?.oneOf(["big", "small"]),
    ];
  };

  it("gives what stands there", () => {
    expect(readDocument(bytes("name: a\nsizes: [1, 9]\nkind: big"), "f", read)).toEqual(["a", [1, 9], "big"]);
    expect(readDocument(bytes("name: a\nsizes: 3"), "f", read)).toEqual(["a", [3], undefined]);
  });

  it.each([
    ["", ["f:1:1: expected a map, found nothing"]],
    ["[1]", ["f:1:1: expected a map, found a list"]],
    [
      "a: *b",
      [
        'f:1:4: expected a value, found an alias: quote it, "*b" (or, where an alias was meant, write it out)',
      ],
    ],
    [
      "nme: 1\nsizes:\n  - 0\n  - 1.5\nkind: tiny\n__proto__: 1\n",
      [
        'f:1:1: unknown key "nme"; did you mean "name"?',
        'f:1:1: expected the key "name", which is missing',
        "f:3:5: sizes[0]: expected a size from 1 to 9, found 0",
        "f:4:5: sizes[1]: expected a size from 1 to 9, found 1.5",
        'f:5:7: kind: expected one of big, small; found "tiny"',
        'f:6:1: unknown key "__proto__"; expected one of name, sizes, kind',
      ],
    ],
    ['name: "a\\0b"\n', ['f:1:7: name: expected a name, found "a\\u{0}b"']],
  ])("%j", (text, report) => {
    expect(reportOf(text, read)).toEqual(report);
  });

  it("takes UTF-8 of at most 1 MiB", () => {
    expect(reportOf(new Uint8Array([0x61, 0x3a, 0x20, 0xff]), read)).toEqual(["f:1:4: expected UTF-8 text"]);
    expect(reportOf("#".repeat((1 << 20) + 1), read)).toEqual(["f:1:1: is longer than 1MiB"]);
  });
});

it("readYaml() reads a file on the loader's thread, and no device", async () => {
  const file = join(temporaryFolder(), "f.yaml");
  writeFileSync(file, "name: a\n");
  await using loader = new PolicyLoader();
  expect(await loader.readYaml(file, (root) => root.value)).toEqual({ name: "a" });
  await expect(loader.readYaml("/dev/zero", () => 0)).rejects.toThrow("it is not a regular file");
  await expect(loader.readYaml(join(file, "x"), () => 0)).rejects.toThrow("cannot be read: ENOTDIR");
});
