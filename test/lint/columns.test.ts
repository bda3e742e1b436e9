import { expect, test } from "vitest";
import { longLines } from "../../scripts/lint/columns.ts";

const long = (start: string): string => start + "word ".repeat(30);

test("a line of 121 columns is too long, of code, of C and of prose", () => {
  const line = "x".repeat(121);
  expect(longLines(new Map([["a.ts", line]]))).toEqual(["a.ts:1: 121 columns"]);
  expect(longLines(new Map([["native/a.h", `\n${line}`]]))).toEqual(["native/a.h:2: 121 columns"]);
  expect(longLines(new Map([["README.md", line]]))).toEqual(["README.md:1: 121 columns"]);
  expect(longLines(new Map([["a.ts", "x".repeat(120)]]))).toEqual([]);
});

test("columns are characters, not the code units or bytes behind them", () => {
  expect(longLines(new Map([["a.md", "─".repeat(120)]]))).toEqual([]);
  expect(longLines(new Map([["a.ts", `// ${"𝄞".repeat(100)}`]]))).toEqual([]);
});

test("rows of tables, targets of links, what programs print and generated files may be longer", () => {
  expect(longLines(new Map([["a.md", long("| ")]]))).toEqual([]);
  expect(longLines(new Map([["a.md", `see [this](${"x".repeat(120)})`]]))).toEqual([]);
  expect(longLines(new Map([["a.md", `\`\`\`text\n${long("")}\n\`\`\`\n`]]))).toEqual([]);
  expect(longLines(new Map([["a.md", `\`\`\`js\n${long("")}\n\`\`\`\n`]]))).toEqual(["a.md:2: 150 columns"]);
  expect(longLines(new Map([["etc/api/guest.md", long("")]]))).toEqual([]);
  expect(longLines(new Map([["docs/guest.md", long("")]]))).toEqual(["docs/guest.md:1: 150 columns"]);
});

test("a text in TypeScript may pass, since it does not break; a comment may not", () => {
  expect(longLines(new Map([["a.ts", `test("${long("")}", () => {`]]))).toEqual([]);
  expect(longLines(new Map([["a.ts", `x = \`${long("")}\`;`]]))).toEqual([]);
  expect(longLines(new Map([["a.ts", `// "${long("")}"`]]))).toEqual(["a.ts:1: 155 columns"]);
  expect(longLines(new Map([["a.ts", `f("a"); // ${long("")}`]]))).toEqual(["a.ts:1: 160 columns"]);
  expect(longLines(new Map([["a.c", `say("${long("")}");`]]))).toEqual(["a.c:1: 158 columns"]);
});
