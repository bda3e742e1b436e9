// --listen SOCKET, where processes attach; or --listen NAME=SOCKET[,policy=FILE][,label=KEY=VALUE], where those of one
// guest do, which has a name, and may have a policy of its own. A path with "=" before its first "/" is written ./so:
// a name with a mistake must not make a socket of all guests of it, without the policy that stands behind.

import { type GuestOptions, guestNameProblem, unexpandedPath } from "@ringway/monitor";
import { parseFields } from "./fields.ts";

const NAMED = /^([^=/]*)=(.*)$/s;
const FORM = "SOCKET or NAME=SOCKET[,policy=FILE][,label=KEY=VALUE]";

/** A path, or a guest with a name; or the sentence that says what is wrong. */
export type ListenOption = { readonly path: string } | GuestOptions | { readonly problem: string };

export function parseListenOption(text: string): ListenOption {
  const [, name, rest] = NAMED.exec(text) ?? [];
  if (name === undefined) {
    const isGuests = /,(policy|label)=/.test(text);
    return isGuests
      ? { problem: `a guest of its own has a name: expected ${FORM}, found "${text}"` }
      : { path: text };
  }
  const nameProblem = guestNameProblem(name);
  if (nameProblem !== undefined) return { problem: `${nameProblem}; a path is written ./${text}` };
  const [path, ...parts] = rest!.split(",");
  if (path === undefined || path === "") return { problem: `expected ${FORM}, found "${text}"` };
  const problem = unexpandedPath(path);
  if (problem !== undefined) return { problem };
  const fields = parseFields(parts, {});
  if (typeof fields === "string") return { problem: fields };
  return { name, listen: path, ...fields.own };
}
