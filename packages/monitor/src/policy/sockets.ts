// Rules for Unix sockets, from the file's values (build.ts). A rule names one socket: its path as the guest has it, and
// the folder and the name of the host's.

import { basename, dirname, resolve } from "node:path";
import { socketKey, splitPath } from "./paths.ts";
import type { BuildContext, RawSocket } from "./raw.ts";
import type { Path } from "./source.ts";
import { quoted } from "./text.ts";
import type { SocketsRule } from "./types.ts";
import { checkExpanded } from "./unexpanded.ts";

/** Of a socket's name: what is left of sun_path behind the folder's descriptor ("/proc/self/fd/1234567/"). */
const NAME_BYTES_MAX = 85;

/** Only a folder has a name like that. */
const AS_FOLDER = /(^|\/)\.{0,2}$/;

export function socketsRule(rule: RawSocket, id: string, path: Path, context: BuildContext): SocketsRule {
  const isKnown = (key: string): boolean => !context.isBroken([...path, key]);
  const guest = splitPath(isKnown("guest") ? rule.guest : "/");
  const components = "problem" in guest ? [] : guest.components;
  if ("problem" in guest) context.complain([...path, "guest"], `expected an absolute path; ${guest.problem}`);
  else if (isKnown("guest") && (components.length === 0 || AS_FOLDER.test(rule.guest))) {
    const what = `the path of a socket; ${quoted(rule.guest)} is that of a folder`;
    context.complain([...path, "guest"], `expected ${what}`);
  }
  if (isKnown("guest")) checkExpanded(rule.guest, "an absolute path", [...path, "guest"], context);
  const host = resolve(context.folder, isKnown("host") ? rule.host : "socket");
  if (isKnown("host")) {
    checkExpanded(rule.host, "a socket of the host", [...path, "host"], context);
    const problem = hostProblem(rule.host, basename(host));
    if (problem !== undefined) context.complain([...path, "host"], problem);
  }
  const { access } = rule;
  return { id, guest: `/${components.join("/")}`, folder: dirname(host), name: basename(host), access };
}

function hostProblem(host: string, name: string): string | undefined {
  if (name === "" || AS_FOLDER.test(host)) {
    return `expected the path of a socket; ${quoted(host)} is that of a folder`;
  }
  const bytes = Buffer.byteLength(name);
  if (bytes <= NAME_BYTES_MAX) return undefined;
  return `expected a name of at most ${NAME_BYTES_MAX} bytes, found ${bytes}: a socket's path has little room`;
}

/** A rule for the path of an earlier one, for the same use, would never decide anything. */
export function checkHiddenSockets(sockets: readonly RawSocket[], context: BuildContext): void {
  const earlier: Map<string, number> = new Map();
  for (const [index, rule] of (Array.isArray(sockets) ? sockets : []).entries()) {
    if (["guest", "access"].some((key) => context.isBroken(["sockets", index, key]))) continue;
    if (context.isBroken(["sockets", index])) continue;
    const path = splitPath(rule.guest);
    if ("problem" in path) continue;
    const key = socketKey(rule.access, path.components);
    const before = earlier.get(key);
    if (before === undefined) {
      earlier.set(key, index);
      continue;
    }
    const line = context.lineOf(["sockets", before, "guest"]);
    const by = `sockets[${before}] (line ${line}) has this path already, for ${rule.access}`;
    context.complain(
      ["sockets", index, "guest"],
      `never matches, because ${by}: only one of the two can hold`,
    );
  }
}
