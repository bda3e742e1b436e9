// No line passes 120 columns: two files stand side by side on a screen, and a review shows whole lines.

import type { Files } from "./files.ts";

export const COLUMNS = 120;

const READ_BY_PEOPLE = /\.(?:ts|mts|js|mjs|cjs|c|h|sh|md|ya?ml)$|(?:^|\/)(?:Makefile|run)$/;

const SCRIPT = /\.(?:ts|mts|js|mjs|cjs)$/;

/** Files that a program writes. */
const GENERATED = /^(?:pnpm-lock\.yaml|etc\/api\/.*|packages\/monitor\/policy\.validator\.js)$/;

export function longLines(files: Files): string[] {
  const found: string[] = [];
  for (const [path, text] of files) {
    if (!READ_BY_PEOPLE.test(path) || GENERATED.test(path)) continue;
    const markdown = path.endsWith(".md");
    let printed = false;
    for (const [i, line] of text.split("\n").entries()) {
      // Blocks of text are what a program prints.
      if (markdown && line.startsWith("```")) printed = line === "```text";
      if (line.length <= COLUMNS || printed) continue;
      const columns = [...(markdown ? withoutLinks(line) : SCRIPT.test(path) ? withoutTexts(line) : line)]
        .length;
      if (columns > COLUMNS) found.push(`${path}:${i + 1}: ${columns} columns`);
    }
  }
  return found;
}

/** Markdown has one line for each row of a table, and does not break the target of a link. */
function withoutLinks(line: string): string {
  return line.startsWith("|") ? "" : line.replaceAll(/\]\([^)]*\)|https?:\/\/\S+/g, "");
}

/** Biome lays code out, and breaks no text: names of tests, messages, patterns. Comments count whole. */
function withoutTexts(line: string): string {
  if (/^\s*(?:\/\/|\/?\*)/.test(line)) return line;
  return line.replaceAll(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`?/g, '""');
}
