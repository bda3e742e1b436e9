// What of the host's system a program of `ringway run` sees, from the file's values.

import { splitPath } from "./paths.ts";
import type { BuildContext, RawPolicy } from "./raw.ts";
import { quoted } from "./text.ts";
import type { Policy } from "./types.ts";
import { checkExpanded } from "./unexpanded.ts";

const USUAL = "default";
const EXPECTED = "an absolute path of the host, or the word default";

export function buildRun(raw: NonNullable<RawPolicy["run"]>, context: BuildContext): Policy["run"] {
  const place = ["run", "system"];
  if (context.isBroken(["run"]) || context.isBroken(place)) return { system: [] };
  const system = (raw.system ?? [USUAL]).flatMap((text, index) => {
    const path = [...place, index];
    if (text === USUAL) return [text];
    if (context.isBroken(path)) return [];
    const split = splitPath(text);
    if ("problem" in split) context.complain(path, `expected ${EXPECTED}; ${split.problem}`);
    else if (split.components.length === 0)
      context.complain(path, `expected ${EXPECTED}; ${quoted(text)} is all of it`);
    else {
      checkExpanded(text, EXPECTED, path, context);
      return [`/${split.components.join("/")}`];
    }
    return [];
  });
  return { system };
}
