// --listen SOCKET, where processes attach; or --listen NAME=SOCKET[,policy=FILE][,label=KEY=VALUE], where those of one
// guest do, which has a name, and may have a policy of its own. A path that begins like a name and "=" is written ./so.

import { type GuestOptions, unexpandedPath } from "@ringway/monitor";
import { parseFields } from "./fields.ts";

const NAMED = /^([A-Za-z][A-Za-z0-9._-]{0,63})=(.*)$/s;
const FORM = "SOCKET or NAME=SOCKET[,policy=FILE][,label=KEY=VALUE]";

/** A path, or a guest with a name; or the sentence that says what is wrong. */
export type ListenOption = { readonly path: string } | GuestOptions | { readonly problem: string };

export function parseListenOption(text: string): ListenOption {
  const [, name, rest] = NAMED.exec(text) ?? [];
  if (name === undefined) return { path: text };
  const [path, ...parts] = rest!.split(",");
  if (path === undefined || path === "") return { problem: `expected ${FORM}, found "${text}"` };
  const problem = unexpandedPath(path);
  if (problem !== undefined) return { problem };
  const fields = parseFields(parts, {});
  if (typeof fields === "string") return { problem: fields };
  return { name, listen: path, ...fields.own };
}
