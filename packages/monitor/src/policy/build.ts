// From a value checked by the schema (schema.ts) to a Policy: defaults filled in, text normalized, and everything
// checked that a JSON schema cannot say. Each complaint names its place. Places that the schema complained of
// (isBroken) are not looked at again, so that one run finds the problems of all the others; the Policy that comes out
// then is no good, and the caller drops it.

import { resolve } from "node:path";
import { MAX_RING_BYTES, MIN_RING_BYTES, PAGE_BYTES, TEXT_MAX_BYTES } from "@ringway/control";
import { FolderTree } from "./compiled/folders.ts";
import * as defaults from "./defaults.ts";
import { checkOrder } from "./order.ts";
import { splitPath } from "./paths.ts";
import { connectRule, listenRule, type RawRule } from "./rules.ts";
import { formatSize, parseSize } from "./sizes.ts";
import type { Path } from "./source.ts";
import { expectedFound, quoted, shown } from "./text.ts";
import { BUILT_IN_RULES, type FilesRule, type Limits, type Policy, type VmEntry } from "./types.ts";
import { unexpandedPath } from "./unexpanded.ts";

/** The file as the schema leaves it; where the schema complained, a value may be anything. */
export interface RawPolicy {
  readonly guest?: { readonly argv?: string[]; readonly env?: Record<string, string> };
  readonly refusals?: "explain" | "hide";
  readonly audit?: "required" | "best-effort";
  readonly connect?: RawRule[];
  readonly listen?: RawRule[];
  readonly files?: RawFiles[];
  readonly vms?: RawVm[];
  readonly limits?: Partial<Record<keyof Limits, number | string>>;
  readonly timeouts?: {
    readonly connectMs?: number;
    readonly resolveMs?: number;
    readonly attachMs?: number;
  };
}

interface RawFiles {
  readonly id?: string;
  readonly guest: string;
  readonly host: string;
  readonly access: "ro" | "rw";
  readonly crossMounts?: boolean;
}

interface RawVm {
  readonly name: string;
  readonly memory: string;
  readonly doorbell: string;
  readonly size?: number | string;
}

export interface BuildContext {
  /** Relative hosts of files are below it. */
  readonly folder: string;
  /** Whether the schema complained of this very place. */
  isBroken(path: Path): boolean;
  complain(path: Path, message: string): void;
  /** What may be meant, and seldom is. */
  warn(path: Path, message: string): void;
  lineOf(path: Path): number;
}

export interface BuiltPolicy {
  readonly policy: Policy;
  /** Rules of policy.files whose folders may be looked at, also where others are wrong. */
  readonly folders: readonly FolderToCheck[];
}

export interface FolderToCheck {
  /** Its place in the file. */
  readonly index: number;
  readonly rule: FilesRule;
}

export function buildPolicy(raw: RawPolicy, context: BuildContext): BuiltPolicy {
  const ids = new Map<string, Path>();
  const rules = <Raw extends { readonly id?: string }, Rule>(
    list: "connect" | "listen" | "files",
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
  for (const list of [connect, listen])
    checkOrder(
      list.map(({ ordered }) => ordered),
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
  checkGuest(raw.guest, context);
  checkShadows(raw.files ?? [], context);

  const policy: Policy = {
    version: 1,
    guest: { argv: raw.guest?.argv ?? [], env: raw.guest?.env ?? {} },
    refusals: raw.refusals ?? "explain",
    audit: raw.audit ?? "best-effort",
    connect: connect.map(({ rule }) => rule),
    listen: listen.map(({ rule }) => rule),
    files,
    vms: vms(raw.vms ?? [], context),
    limits: limits(raw.limits ?? {}, context),
    timeouts: { ...defaults.DEFAULT_TIMEOUTS, ...raw.timeouts },
  };
  return { policy, folders };
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
  return {
    id,
    guest: `/${components.join("/")}`,
    host: resolve(context.folder, isKnown("host") ? rule.host : "."),
    access: rule.access,
    crossMounts: rule.crossMounts ?? false,
  };
}

function checkExpanded(text: string, expected: string, path: Path, context: BuildContext): void {
  const problem = unexpandedPath(text);
  if (problem !== undefined) context.complain(path, `expected ${expected}; ${problem}`);
}

function vms(raw: readonly RawVm[], context: BuildContext): VmEntry[] {
  if (context.isBroken(["vms"])) return [];
  const names = new Set<string>();
  const memories = new Set<string>();
  const doorbells = new Set<string>();
  return raw.flatMap((vm, index): VmEntry[] => {
    const path = ["vms", index];
    if (
      context.isBroken(path) ||
      ["name", "memory", "doorbell"].some((key) => context.isBroken([...path, key]))
    ) {
      return [];
    }
    checkExpanded(vm.memory, "a path of the host", [...path, "memory"], context);
    checkExpanded(vm.doorbell, "a path of the host", [...path, "doorbell"], context);
    const memory = resolve(context.folder, vm.memory);
    if (names.has(vm.name))
      context.complain([...path, "name"], `another VM is called ${quoted(vm.name)} already`);
    if (memories.has(memory)) context.complain([...path, "memory"], "this is another VM's memory already");
    const doorbell = resolve(context.folder, vm.doorbell);
    if (doorbells.has(doorbell))
      context.complain([...path, "doorbell"], "this is another VM's doorbell already");
    names.add(vm.name);
    memories.add(memory);
    doorbells.add(doorbell);
    const memoryBytes = vm.size === undefined ? defaults.DEFAULT_VM_MEMORY_BYTES : parseSize(vm.size);
    if (memoryBytes === undefined || !defaults.isVmMemorySize(memoryBytes)) {
      if (!context.isBroken([...path, "size"])) {
        context.complain([...path, "size"], expectedFound(defaults.VM_MEMORY_EXPECTED, shown(vm.size)));
      }
      return [];
    }
    return [{ name: vm.name, memory, doorbell, memoryBytes }];
  });
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

function limits(raw: NonNullable<RawPolicy["limits"]>, context: BuildContext): Limits {
  const size = (
    key: "regionBytes" | "regionBytesTotal" | "streamBytes" | "socketBytes" | "fileBytesWritten" | "logBytes",
    least: number,
    most: number,
  ): number => {
    const value = raw[key];
    if (value === undefined || context.isBroken(["limits", key])) return defaults.DEFAULT_LIMITS[key];
    const bytes = parseSize(value);
    if (bytes !== undefined && bytes >= least && bytes <= most) return bytes;
    context.complain(
      ["limits", key],
      expectedFound(`a size from ${formatSize(least)} to ${formatSize(most)}`, shown(value)),
    );
    return defaults.DEFAULT_LIMITS[key];
  };

  const regionBytes = size("regionBytes", defaults.REGION_BYTES_MIN, defaults.REGION_BYTES_MAX);
  if (regionBytes % PAGE_BYTES !== 0) {
    context.complain(["limits", "regionBytes"], expectedFound("whole pages of 4KiB", shown(raw.regionBytes)));
  }
  // A power of two, since capacities are; a quarter, so that a stream's two rings leave half of the region.
  const quarter = 2 ** Math.floor(Math.log2(regionBytes / 4));
  let streamBytes = Math.min(defaults.DEFAULT_LIMITS.streamBytes, quarter);
  if (raw.streamBytes !== undefined) {
    streamBytes = size("streamBytes", MIN_RING_BYTES, MAX_RING_BYTES);
    if (!Number.isInteger(Math.log2(streamBytes))) {
      context.complain(["limits", "streamBytes"], expectedFound("a power of two", shown(raw.streamBytes)));
    } else if (streamBytes > quarter) {
      context.complain(
        ["limits", "streamBytes"],
        expectedFound(`at most a quarter of regionBytes (${formatSize(quarter)})`, shown(raw.streamBytes)),
      );
    }
  }
  const fileBytesWritten =
    raw.fileBytesWritten === "unlimited"
      ? Number.MAX_SAFE_INTEGER
      : size("fileBytesWritten", 0, Number.MAX_SAFE_INTEGER);
  const guests = Number(raw.guests ?? defaults.DEFAULT_LIMITS.guests);
  const regionBytesTotal =
    raw.regionBytesTotal === undefined
      ? guests * regionBytes
      : size("regionBytesTotal", regionBytes, defaults.REGION_BYTES_TOTAL_MAX);
  return {
    guests,
    regionBytesTotal,
    streams: Number(raw.streams ?? defaults.DEFAULT_LIMITS.streams),
    regionBytes,
    streamBytes,
    socketBytes: size("socketBytes", defaults.SOCKET_BYTES_MIN, defaults.SOCKET_BYTES_MAX),
    accepts: Number(raw.accepts ?? defaults.DEFAULT_LIMITS.accepts),
    openFiles: Number(raw.openFiles ?? defaults.DEFAULT_LIMITS.openFiles),
    fileBytesWritten,
    requests: Number(raw.requests ?? defaults.DEFAULT_LIMITS.requests),
    diskOperations: Number(raw.diskOperations ?? defaults.DEFAULT_LIMITS.diskOperations),
    bells: Number(raw.bells ?? defaults.DEFAULT_LIMITS.bells),
    logLines: Number(raw.logLines ?? defaults.DEFAULT_LIMITS.logLines),
    logBytes: size("logBytes", defaults.LOG_BYTES_MIN, defaults.LOG_BYTES_MAX),
  };
}
