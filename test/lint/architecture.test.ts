// docs/architecture.md draws the house as it is: each of its tables has all rooms of its part, and all that each one
// uses.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { projectFiles, ROOT } from "../../scripts/lint/files.ts";
import { graphOf } from "../../scripts/lint/graph.ts";
import { type Arrows, nativeArrows, packageArrows, roomArrows } from "../../scripts/lint/rooms.ts";
import { packageFolders, RULES } from "../../scripts/lint/rules.ts";

const files = projectFiles();
const graph = graphOf(files);
const page = readFileSync(join(ROOT, "docs/architecture.md"), "utf8");

/** Rows of the table behind `<!-- NAME -->`, whose first cell is a room and whose last one names what it uses. */
function drawn(name: string): Arrows {
  const table = page.split(`<!-- ${name} -->\n`)[1]!.split("\n\n")[0]!;
  const rows = table.split("\n").slice(2);
  const namesIn = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
  return new Map(
    rows.map((row) => {
      const cells = row.split("|").slice(1, -1);
      return [namesIn(cells[0]!)[0]!, namesIn(cells.at(-1)!).sort()];
    }),
  );
}

const asText = (arrows: Arrows): string[] =>
  [...arrows].sort().map(([room, uses]) => `${room}: ${uses.join(", ")}`);

describe("docs/architecture.md", () => {
  test.each([
    ["packages", packageArrows(graph, packageFolders(files))],
    ["monitor", roomArrows(graph, "packages/monitor/src")],
    ["guest", roomArrows(graph, "packages/guest/src")],
    ["native", nativeArrows(graph)],
  ])("draws each room of %s, and all that it uses", (name, real) => {
    expect(asText(drawn(name))).toEqual(asText(real));
  });

  test("has each rule of the gate", () => {
    expect(RULES.map(({ name }) => name).filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });
});
