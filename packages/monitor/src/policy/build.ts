// From a value checked by the schema (schema.ts) to a Policy: defaults filled in, text normalized, and everything
// checked that a JSON schema cannot say. Each complaint names its place. Places that the schema complained of
// (isBroken) are not looked at again, so that one run finds the problems of all the others; the Policy that comes out
// then is no good, and the caller drops it.

import { resolve } from "node:path";
import { TEXT_MAX_BYTES } from "@ringway/control";
import { FolderTree } from "./compiled/folders.ts";
import * as defaults from "./defaults.ts";
import { buildHosts } from "./hosts.ts";
import { checkLeads } from "./leads.ts";
import { buildLimits } from "./limits.ts";
import { checkOrder } from "./order.ts";
import { splitPath } from "./paths.ts";
import { buildRates } from "./rates.ts";
import type { BuildContext, RawFiles, RawPolicy, RawRule, RawSocket } from "./raw.ts";
import { connectRule, listenRule } from "./rules.ts";
import { buildRun } from "./run.ts";
import { checkHiddenSockets, socketsRule } from "./sockets.ts";
import type { Path } from "./source.ts";
import { quoted } from "./text.ts";
import { BUILT_IN_RULES, type FilesRule, type Policy, type SocketsRule } from "./types.ts";
import { checkExpanded, unexpandedPath } from "./unexpanded.ts";
import { buildVms } from "./vms.ts";

export interface BuiltPolicy {
  readonly policy: Policy;
  /** Rules of policy.files whose folders may be looked at, also where others are wrong. */
  readonly folders: readonly FolderToCheck[];
  /** The same of policy.sockets, and the folders of their sockets. */
  readonly sockets: readonly SocketToCheck[];
}

export interface FolderToCheck {
  /** Its place in the file. */
  readonly index: number;
  readonly rule: FilesRule;
}

export interface SocketToCheck {
  readonly index: number;
  readonly rule: SocketsRule;
}

export function buildPolicy(raw: RawPolicy, context: BuildContext): BuiltPolicy {
  const ids = new Map<string, Path>();
  const rules = <Raw extends { readonly id?: string }, Rule>(
    list: "connect" | "listen" | "files" | "sockets",
    build: (raw: Raw, id: string, path: Path) => Rule,
  ): Rule[] => {
    if (context.isBroken([list])) return [];
    return ((raw[list] ?? []) as readonly unknown[] as readonly Raw[]).flatMap((rule, index) => {
      const path = [list, index];
      if (context.isBroken(path)) return [];
      checkId(rule.id, path, ids, context);
      return [build(rule, rule.id ?? `${list}[${index}]`, path)];
    });
  };

  const connect = rules("connect", (rule: RawRule, id, path) => connectRule(rule, id, path, context));
  const listen = rules("listen", (rule: RawRule, id, path) => listenRule(rule, id, path, context));
  const connectOrdered = connect.map(({ ordered }) => ordered);
  checkOrder(connectOrdered, context);
  checkOrder(
    listen.map(({ ordered }) => ordered),
    context,
  );
  const folders: FolderToCheck[] = [];
  const files = rules("files", (rule: RawFiles, id, path) => {
    const built = filesRule(rule, id, path, context);
    const isRight = (key: string): boolean => !context.isBroken([...path, key]);
    if (["host", "access", "crossMounts"].every(isRight) && unexpandedPath(rule.host) === undefined) {
      folders.push({ index: Number(path[1]), rule: built });
    }
    return built;
  });
  const socketsToCheck: SocketToCheck[] = [];
  const sockets = rules("sockets", (rule: RawSocket, id, path) => {
    const built = socketsRule(rule, id, path, context);
    const isRight = !context.isBroken([...path, "host"]) && unexpandedPath(rule.host) === undefined;
    if (isRight) socketsToCheck.push({ index: Number(path[1]), rule: built });
    return built;
  });
  checkGuest(raw.guest, context);
  checkShadows(raw.files ?? [], context);
  checkHiddenSockets(raw.sockets ?? [], context);

  const policy: Policy = {
    version: 1,
    guest: { argv: raw.guest?.argv ?? [], env: raw.guest?.env ?? {} },
    refusals: raw.refusals ?? "explain",
    audit: raw.audit ?? "best-effort",
    audited: raw.audited ?? "all",
    connect: connect.map(({ rule }) => rule),
    listen: listen.map(({ rule }) => rule),
    files,
    sockets,
    vms: buildVms(raw.vms ?? [], context),
    hosts: buildHosts(raw.hosts ?? {}, context),
    run: buildRun(raw.run ?? {}, context),
    limits: buildLimits(raw.limits ?? {}, context),
    rates: buildRates(raw.rates ?? {}, context),
    timeouts: { ...defaults.DEFAULT_TIMEOUTS, ...raw.timeouts },
  };
  checkLeads(policy, connectOrdered, raw.hosts ?? {}, context);
  return { policy, folders, sockets: socketsToCheck };
}

/** Each text, and all together, must fit the frame that carries them. */
function checkGuest(guest: RawPolicy["guest"], context: BuildContext): void {
  const broken = (path: Path): boolean => context.isBroken(path);
  if (guest === undefined || broken(["guest"])) return;
  const texts: (readonly [text: string, path: Path])[] = [];
  if (guest.argv !== undefined && !broken(["guest", "argv"])) {
    for (const [index, text] of guest.argv.entries()) texts.push([text, ["guest", "argv", index]]);
  }
  if (guest.env !== undefined && !broken(["guest", "env"])) {
    for (const [name, text] of Object.entries(guest.env))
      texts.push([`${name}=${text}`, ["guest", "env", name]]);
  }
  let total = 0;
  for (const [text, path] of texts) {
    if (broken(path)) continue;
    const bytes = Buffer.byteLength(text);
    total += bytes + defaults.GUEST_TEXT_OVERHEAD_BYTES;
    if (bytes > TEXT_MAX_BYTES) {
      context.complain(path, `expected at most ${TEXT_MAX_BYTES} bytes, found ${bytes}`);
    }
  }
  if (total > defaults.GUEST_TEXTS_BYTES_MAX) {
    const most = `at most ${defaults.GUEST_TEXTS_BYTES_MAX} bytes of argv and env together`;
    context.complain(
      ["guest"],
      `expected ${most} (counting ${defaults.GUEST_TEXT_OVERHEAD_BYTES} more for each), found ${total}`,
    );
  }
}

function checkId(id: string | undefined, path: Path, ids: Map<string, Path>, context: BuildContext): void {
  if (id === undefined || context.isBroken([...path, "id"])) return;
  const earlier = ids.get(id);
  if (BUILT_IN_RULES.includes(id)) {
    context.complain([...path, "id"], `expected an id that is no built-in rule's, found ${quoted(id)}`);
  } else if (earlier !== undefined) {
    const where = `${earlier[0]}[${earlier[1]}]`;
    context.complain([...path, "id"], `expected an id of its own; ${quoted(id)} is that of ${where}`);
  } else {
    ids.set(id, path);
  }
}

function filesRule(rule: RawFiles, id: string, path: Path, context: BuildContext): FilesRule {
  const isKnown = (key: string): boolean => !context.isBroken([...path, key]);
  const guest = splitPath(isKnown("guest") ? rule.guest : "/");
  if ("problem" in guest) context.complain([...path, "guest"], `expected an absolute path; ${guest.problem}`);
  const components = "problem" in guest ? [] : guest.components;
  if (isKnown("guest")) checkExpanded(rule.guest, "an absolute path", [...path, "guest"], context);
  if (isKnown("host")) checkExpanded(rule.host, "a folder of the host", [...path, "host"], context);
  const owner = ownerOf(rule, path, context);
  return {
    id,
    guest: `/${components.join("/")}`,
    host: resolve(context.folder, isKnown("host") ? rule.host : "."),
    access: rule.access,
    crossMounts: rule.crossMounts ?? false,
    xattrs: isKnown("xattrs") ? (rule.xattrs ?? []) : [],
    ...(owner === undefined ? {} : { owner }),
  };
}

function ownerOf({ access, owner }: RawFiles, path: Path, context: BuildContext): FilesRule["owner"] {
  const isBroken = [[], ["uid"], ["gid"]].some((key) => context.isBroken([...path, "owner", ...key]));
  if (owner === undefined || isBroken) return undefined;
  if (access === "ro") {
    context.complain([...path, "owner"], "goes only with access: rw: guests make nothing where it is ro");
  }
  return owner;
}

/** A files rule below an earlier one's guest path would never decide anything. */
function checkShadows(files: readonly RawFiles[], context: BuildContext): void {
  const earlier = new FolderTree();
  for (const [index, rule] of (Array.isArray(files) ? files : []).entries()) {
    if (context.isBroken(["files", index]) || context.isBroken(["files", index, "guest"])) continue;
    const path = splitPath(rule.guest);
    if ("problem" in path) continue;
    const cover = earlier.find(path.components);
    if (cover !== undefined) {
      const above = splitPath(files[cover]!.guest);
      const by = `files[${cover}] (/${"components" in above ? above.components.join("/") : ""})`;
      context.complain(
        ["files", index, "guest"],
        `never matches, because ${by} stands before it: put the deeper path first`,
      );
    }
    earlier.add(path.components, index);
  }
}
