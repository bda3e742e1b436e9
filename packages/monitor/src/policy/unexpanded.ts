// Text that a shell would have put something else in the place of. A policy is no shell: a path means the same whoever
// starts the monitor, so such text is refused where it is not wanted as it stands, and the message says so.

import type { BuildContext } from "./raw.ts";
import type { Path } from "./source.ts";
import { quoted } from "./text.ts";

/**
 * A "~" in front; ${NAME} or $(COMMAND) anywhere; $NAME as a whole component, in the capitals of environment variables.
 */
const FOR_A_SHELL = /^~[^/]*|\$\{[^}]*\}|\$\([^)]*\)|(?<=^|\/)\$[A-Z_][A-Z0-9_]*(?=\/|$)/;

/** The first such part of a text. */
export function unexpandedPart(text: string): string | undefined {
  return FOR_A_SHELL.exec(text)?.[0];
}

/** What is wrong with a path that has such a part; undefined where it has none. */
export function unexpandedPath(path: string): string | undefined {
  const part = unexpandedPart(path);
  if (part === undefined) return undefined;
  const asName =
    part.startsWith("~") && part.length > 1 ? `; a name that begins so is written ./${path}` : "";
  return `${quoted(path)} has ${quoted(part)}, which is not expanded: write out what it stands for${asName}`;
}

/** Complains of a path that somebody takes for one that a shell expands. */
export function checkExpanded(text: string, expected: string, path: Path, context: BuildContext): void {
  const problem = unexpandedPath(text);
  if (problem !== undefined) context.complain(path, `expected ${expected}; ${problem}`);
}
