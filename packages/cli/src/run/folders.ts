// The policy's folders and sockets, as arguments of bubblewrap. A later mount covers an earlier one, so they come from
// above to below. What the monitor would judge when a path is used is settled here once:
//
//   a rule's folder inside another one    is read-only there as well, if it is
//   what is mounted below a folder        is covered, unless crossMounts lets it through
//
// A program could rename a folder inside one that it may write, and put another, or a link, where the next run binds
// what it finds. The kernel renames and removes no mount point (EBUSY), so each rule's folder inside another one, and
// each folder on the way there, is bound onto itself. And no rule's path may lead through a link that a program could
// have made.

import { existsSync, lstatSync, realpathSync } from "node:fs";
import { join } from "node:path";
import type { FilesRule, SocketsRule } from "@ringway/monitor";
import { cannot } from "./bubblewrap.ts";
import { below } from "./mounts.ts";

interface Bound {
  readonly rule: FilesRule;
  /** Of the host, without links. */
  readonly host: string;
}

export function boundFolders(files: readonly FilesRule[], points: readonly string[]): string[] {
  const bound = bindings(files);
  for (const { rule, host } of bound) {
    if (rule.guest === "/")
      throw cannot(`files rule ${rule.id}: / cannot be one of the policy's folders here`);
    checkPath(`files rule ${rule.id}`, rule.host, bound);
    checkPlace(`files rule ${rule.id}`, rule.guest, lstatSync(host, { bigint: true }).isDirectory(), bound);
  }
  const fromAbove = bound.toSorted((a, b) => depth(a.rule.guest) - depth(b.rule.guest));
  return fromAbove.flatMap((root) => [
    ...bind(root.rule, root.host, root.rule.guest),
    ...inside(root, bound, points),
  ]);
}

function bindings(files: readonly FilesRule[]): Bound[] {
  return files.map((rule) => ({ rule, host: realpathSync(rule.host) }));
}

function bind({ access }: Pick<FilesRule, "access">, host: string, place: string): string[] {
  return [access === "rw" ? "--bind" : "--ro-bind", host, place];
}

const depth = (path: string): number => path.split("/").length;

/** What has to be mounted inside a folder: other rules' folders, and covers. A bind brings what is mounted below. */
function inside(root: Bound, bound: readonly Bound[], points: readonly string[]): string[] {
  const rules = root.rule.access === "rw" ? bound.filter(({ host }) => below(root.host, host)) : [];
  const folders = new Set(rules.flatMap(({ host }) => wayTo(root.host, host)));
  const mounted = points.filter((point) => below(root.host, point));
  const isOwn = (path: string): boolean => rules.some(({ host }) => host === path);
  const covered: string[] = [];
  const fromAbove = [...new Set([...folders, ...mounted])].toSorted((a, b) => depth(a) - depth(b));
  return fromAbove.flatMap((path) => {
    if (covered.some((above) => below(above, path) !== undefined)) return [];
    const place = join(root.rule.guest, below(root.host, path)!);
    const around = rules.filter(({ host }) => host !== path && below(host, path) !== undefined);
    if (mounted.includes(path) && !isOwn(path) && !deepest(root, around).rule.crossMounts) {
      covered.push(path);
      return cover(path, place);
    }
    if (!folders.has(path)) return [];
    const isReadOnly = rules.some(
      ({ rule, host }) => rule.access === "ro" && below(host, path) !== undefined,
    );
    return bind({ access: isReadOnly ? "ro" : "rw" }, path, place);
  });
}

/** The folders between the two, and the last one. */
function wayTo(from: string, to: string): string[] {
  const names = below(from, to)!.split("/");
  return names.map((_, i) => join(from, ...names.slice(0, i + 1)));
}

function deepest(root: Bound, others: readonly Bound[]): Bound {
  return others.reduce((found, other) => (other.host.length > found.host.length ? other : found), root);
}

function cover(point: string, place: string): string[] {
  return lstatSync(point, { bigint: true }).isDirectory()
    ? ["--tmpfs", place, "--remount-ro", place]
    : ["--ro-bind", "/dev/null", place];
}

// ── What cannot be bound ─────────────────────────────────────────────────────────────────────────────────────────────

/** No link on the way may lie where a program writes: an earlier run may have made it. */
function checkPath(what: string, path: string, bound: readonly Bound[]): void {
  const link = linksOf(path).find((at) =>
    bound.some(({ rule, host }) => rule.access === "rw" && below(host, at)),
  );
  if (link === undefined) return;
  throw cannot(
    `${what}: ${path} leads through the symbolic link ${link}, in a folder that is read and written`,
  );
}

/** Links on the way of a path that is there, by their own paths without links. */
function linksOf(path: string): string[] {
  const links: string[] = [];
  let at = "/";
  for (const name of path.split("/").filter(Boolean)) {
    const next = join(at, name);
    const isLink = lstatSync(next, { throwIfNoEntry: false, bigint: true })?.isSymbolicLink() ?? false;
    if (isLink) links.push(next);
    at = isLink ? realpathSync(next) : next;
  }
  return links;
}

/** bubblewrap makes the place of a mount where there is none, but not in a folder that is read-only. */
function checkPlace(what: string, guest: string, isFolder: boolean, bound: readonly Bound[]): void {
  const [around] = bound
    .filter(({ rule }) => below(rule.guest, guest))
    .toSorted((a, b) => b.rule.guest.length - a.rule.guest.length);
  if (around === undefined || around.rule.access === "rw") return;
  const place = join(around.host, below(around.rule.guest, guest)!);
  if (existsSync(place)) return;
  const kind = isFolder ? "folder" : "file";
  throw cannot(
    `${what}: no place for ${guest} in what is read-only (files rule ${around.rule.id}): make the ${kind} ${place}`,
  );
}

// ── Sockets ──────────────────────────────────────────────────────────────────────────────────────────────────────────

export function boundSockets(sockets: readonly SocketsRule[], files: readonly FilesRule[]): string[] {
  const bound = bindings(files);
  return sockets.flatMap((socket) => boundSocket(socket, bound));
}

/** Whoever listens there later, at a socket that is made anew, is not reached. */
function boundSocket({ id, access, folder, name, guest }: SocketsRule, bound: readonly Bound[]): string[] {
  const path = join(folder, name);
  if (access !== "connect" || !lstatSync(path, { throwIfNoEntry: false, bigint: true })?.isSocket())
    return [];
  checkPath(`sockets rule ${id}`, folder, bound);
  checkPlace(`sockets rule ${id}`, guest, false, bound);
  return ["--bind", path, guest];
}
