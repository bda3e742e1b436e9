// What the program sees of the file system, as arguments of bubblewrap. Its root is empty and read-only; there are
//
//   the host's system folders, read-only      SYSTEM, or what the policy says under run
//   /etc of our own making                    resolv.conf, hosts, passwd, group, nsswitch.conf
//   /proc, /dev, /tmp, /run, /var/tmp, home   its own, and empty
//   the policy's folders                      at their places, ro or rw; above all others
//
// A later mount covers an earlier one. The policy's folders are the host's own, bound (folders.ts), or the agent's
// mounts of them (mounted-folders.ts).

import { existsSync, lstatSync, readdirSync, readlinkSync, realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { FilesRule, Policy, SocketsRule } from "@ringway/monitor";
import { cannot } from "./bubblewrap.ts";
import { boundFolders, boundSockets } from "./folders.ts";
import { below } from "./mounts.ts";
import type { Who } from "./who.ts";

/** What programs need of a system, where it is there; docs/run.md has the list. */
const SYSTEM: readonly string[] = [
  ...["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"],
  ...["alternatives", "ssl", "ca-certificates", "ca-certificates.conf", "pki", "crypto-policies"].map(inEtc),
  ...["ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "timezone", "os-release"].map(inEtc),
  ...["debian_version", "alpine-release", "redhat-release", "fonts", "terminfo", "inputrc"].map(inEtc),
  ...["mime.types", "magic", "magic.mime", "protocols", "services", "rpc", "shells"].map(inEtc),
];
/** Stands for these in a policy. */
const USUAL = "default";
/** Not for everybody's eyes, where the program's user may read them. */
const COVERED = ["/etc/ssl/private", "/etc/pki/tls/private"];

function inEtc(name: string): string {
  return `/etc/${name}`;
}

/** Throws Failure for a path of the policy's own that is not there. */
export function systemOf({ system }: Policy["run"]): string[] {
  const missing = system.find((path) => path !== USUAL && !existsSync(path));
  if (missing !== undefined) throw cannot(`run.system of the policy: there is no ${missing}`);
  return system.flatMap((path) => (path === USUAL ? SYSTEM : [path]));
}

export interface Wish {
  readonly who: Who;
  /** It is root on the host, too, though without capabilities. */
  readonly isRoot: boolean;
  readonly system: readonly string[];
  readonly files: readonly FilesRule[];
  readonly sockets: readonly SocketsRule[];
  /** Arguments that bind the agent's mounts of the policy's folders; undefined: the host's are bound. */
  readonly mounts: readonly string[] | undefined;
  /** Files of our own making, by their paths inside. */
  readonly made: ReadonlyMap<string, string>;
  readonly mountPoints: readonly string[];
  /** On the host. */
  readonly cwd: string;
  /** Inside, where it is said. */
  readonly chosenCwd: string | undefined;
}

/** Arguments of bubblewrap. Throws Failure for a policy that cannot be bound. */
export function viewOf(wish: Wish): string[] {
  const { who, files } = wish;
  const own = [
    ...["--proc", "/proc", ...(wish.isRoot ? kernelSettings() : [])],
    ...["--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run", "--tmpfs", "/var/tmp"],
    ...["--symlink", "../run", "/var/run"],
    ...(isSystem(wish, who.home) ? [] : ["--tmpfs", who.home]),
  ];
  return [
    ...own,
    ...wish.system.flatMap((path) => systemPart(path, wish)),
    ...COVERED.filter((path) => isSystem(wish, path) && existsSync(path)).flatMap((path) => [
      "--tmpfs",
      path,
    ]),
    ...[...wish.made].flatMap(([inside, path]) => ["--ro-bind", path, inside]),
    ...(wish.mounts ?? boundFolders(files, wish.mountPoints)),
    ...boundSockets(wish.sockets, files),
    ...["--remount-ro", "/"],
    // A chosen one may not be there: then it is the program's first process that says so (shut-in.ts).
    ...["--chdir", wish.chosenCwd === undefined ? cwdOf(wish) : "/"],
  ];
}

function isSystem({ system }: Wish, path: string): boolean {
  return path === "/" || system.some((folder) => below(folder, path) !== undefined);
}

function systemPart(path: string, wish: Wish): string[] {
  const found = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  if (found === undefined) return [];
  if (!found.isSymbolicLink()) return ["--ro-bind", path, path];
  const link = ["--symlink", readlinkSync(path), path];
  if (SYSTEM.includes(path) || isSystem(wish, resolve(dirname(path), readlinkSync(path)))) return link;
  // What the policy asks for is what it leads to.
  const real = realpathSync(path);
  return ["--symlink", real, path, ...(isSystem(wish, real) ? [] : ["--ro-bind", real, real])];
}

/**
 * What root may write in /proc without a capability: settings that are all of the machine's, such as the program that
 * it starts for a core dump. bubblewrap takes folders for read-only that are not writable themselves.
 */
function kernelSettings(): string[] {
  const names = readdirSync("/proc").filter((name) => !/^\d+$/.test(name));
  const writable = names.filter((name) => {
    const found = lstatSync(`/proc/${name}`, { bigint: true });
    return found.isDirectory() || (found.isFile() && (Number(found.mode) & 0o222) !== 0);
  });
  return writable.flatMap((name) => ["--ro-bind", `/proc/${name}`, `/proc/${name}`]);
}

// ── The current folder ───────────────────────────────────────────────────────────────────────────────────────────────

/** The current folder as the program sees it, or its home. */
function cwdOf(wish: Wish): string {
  const rules = wish.files.map(({ guest, host }) => ({ guest, host: realpathSync(host) }));
  const [deepest] = rules
    .filter(({ host }) => below(host, wish.cwd) !== undefined)
    .toSorted((a, b) => b.host.length - a.host.length);
  if (deepest !== undefined) return join(deepest.guest, below(deepest.host, wish.cwd)!);
  return wish.cwd !== "/" && isSystem(wish, wish.cwd) ? wish.cwd : wish.who.home;
}

/** The files of /etc that the program has of its own, by their names. */
export function madeFiles(who: Who, hostName: string): Map<string, string> {
  const isRoot = who.uid === 0;
  const line = (...fields: (string | number)[]): string => `${fields.join(":")}\n`;
  const nobody =
    who.uid === 65534 ? "" : line("nobody", "x", 65534, 65534, "nobody", "/", "/usr/sbin/nologin");
  const root = isRoot ? "" : line("root", "x", 0, 0, "root", "/root", "/bin/sh");
  const user = line(who.name, "x", who.uid, who.gid, "", who.home, who.shell);
  const group =
    who.gid === 0 ? line("root", "x", 0, "") : line("root", "x", 0, "") + line(who.name, "x", who.gid, "");
  // Debian's name of it, and Red Hat's: servers look for theirs.
  const nogroup = who.gid === 65534 ? "" : line("nogroup", "x", 65534, "") + line("nobody", "x", 65534, "");
  return new Map([
    ["resolv.conf", "nameserver 127.0.0.1\n"],
    ["hosts", `127.0.0.1 localhost ${hostName}\n::1 localhost\n`],
    ["hostname", `${hostName}\n`],
    ["nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"],
    ["passwd", root + user + nobody],
    ["group", group + nogroup],
  ]);
}
