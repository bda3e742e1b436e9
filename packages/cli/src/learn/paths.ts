// What is learned of files and Unix sockets. A guest's path says nothing of the host's: with the policy that was in
// force its own rules are written again, those that were used, and without it, comments. Never is a path of a guest's
// made a path of the host's, since what lies there is the guest's choice.
//
// Invariant: what the learned rules allow, those of the policy did. A rule restricts what another one allows around it,
// where its guest path or its folder on the host lies below that one's: so it is kept with that one, used or not.

import { isAbsolute } from "node:path";
import type { FilesRule, Policy } from "@ringway/monitor";
import type { AuditLine } from "./audit-lines.ts";
import { Evidence } from "./evidence.ts";
import type { RealFolders } from "./real-folders.ts";
import { idKey, yamlText } from "./yaml.ts";

const KEPT_MAX = 10_000;
/** Comments that somebody reads. */
const TOLD_MAX = 100;

const FILES = ["file", "file-stream", "fs", "mount"];
const SOCKETS = ["unix-connect", "unix-listen"];

interface Used {
  readonly list: "files" | "sockets";
  readonly evidence: Evidence;
  isWritten: boolean;
}

export class PathsAsked {
  /** By rule. */
  readonly #used: Map<string, Used> = new Map();
  /** Comments on what was refused. */
  readonly #refused: Map<string, Evidence> = new Map();
  /** How often there was something that did not fit any more. */
  #lost = 0;

  /** Whether something was learned of the line; undefined where it is about no such path. */
  take(line: AuditLine): boolean | undefined {
    const { protocol, audit } = line;
    const list = FILES.includes(protocol) ? "files" : SOCKETS.includes(protocol) ? "sockets" : undefined;
    if (list === undefined) return undefined;
    return audit === "refused" ? this.#takeRefused(list, line) : this.#takeAllowed(list, line);
  }

  #takeAllowed(list: Used["list"], line: AuditLine): boolean {
    const { rule, bytesToHost } = line;
    const used = this.#used.get(rule) ?? { list, evidence: new Evidence(), isWritten: false };
    if (!this.#used.has(rule) && this.#used.size >= KEPT_MAX) {
      this.#lost++;
      return false;
    }
    this.#used.set(rule, used);
    used.evidence.add(line);
    if (bytesToHost > 0) used.isWritten = true;
    return true;
  }

  #takeRefused(list: Used["list"], line: AuditLine): boolean {
    const { rule, what, errno } = line;
    const isReadOnly = errno === "EROFS";
    if ((rule !== "default" && !isReadOnly) || !isAbsolute(what)) return false;
    const why = isReadOnly ? `was to be written, and rule ${yamlText(rule)} is ro` : `no ${list} rule has it`;
    const text = `${yamlText(what)}: ${why}`;
    if (!this.#refused.has(text) && this.#refused.size >= KEPT_MAX) {
      this.#lost++;
      return false;
    }
    const evidence = this.#refused.get(text) ?? new Evidence();
    this.#refused.set(text, evidence);
    evidence.add(line);
    return true;
  }

  get isEmpty(): boolean {
    return this.#used.size + this.#refused.size === 0;
  }

  /** Lists of a policy, whose folders are these, and comments. */
  toString(policy: Policy | undefined, folders: RealFolders): string {
    const told = [...this.#refused].slice(0, TOLD_MAX).map(([text, seen]) => `# ${text}; ${seen}\n`);
    const more = this.#refused.size - told.length;
    if (more > 0) told.push(`# and ${more} more paths that were refused\n`);
    if (this.#lost > 0) told.push(`# ${this.#lost} more lines of files and sockets are not here\n`);
    return `${this.#files(policy, folders)}${this.#sockets(policy)}${this.#unknown(policy)}${told.join("")}`;
  }

  #files(policy: Policy | undefined, folders: RealFolders): string {
    const realHost = ({ host }: FilesRule): string => folders.get(host) ?? host;
    const liesBelow = (inner: FilesRule, outer: FilesRule): boolean =>
      isBelow(inner.guest, outer.guest) || isBelow(realHost(inner), realHost(outer));
    const isUsed = ({ id }: FilesRule): boolean => this.#used.get(id)?.list === "files";
    const kept = keptRules(policy?.files ?? [], isUsed, liesBelow);
    // One folder is read-only for all of its rules, or for none.
    const written = new Set([...kept.keys()].filter(({ id }) => this.#used.get(id)?.isWritten).map(realHost));
    const rules = [...kept].map(([rule, above]) => {
      const { id, guest, host, access, crossMounts, xattrs, owner } = rule;
      const narrowed = access === "rw" && !written.has(realHost(rule));
      const keys = [
        ...idKey(id),
        `guest: ${yamlText(guest)}`,
        `host: ${yamlText(host)}`,
        `access: ${narrowed ? "ro" : access}`,
        ...(crossMounts ? ["crossMounts: true"] : []),
        ...(xattrs.length > 0 ? [`xattrs: [${xattrs.map(yamlText).join(", ")}]`] : []),
        // It goes only with rw.
        ...(owner === undefined || narrowed ? [] : [`owner: { uid: ${owner.uid}, gid: ${owner.gid} }`]),
      ];
      const used = this.#used.get(id);
      const seen =
        used?.list === "files"
          ? String(used.evidence)
          : `not used; kept since it lies below rule ${yamlText(above?.id ?? "")}`;
      const note = narrowed
        ? "; it was rw, and no file was written (what is done with names has no lines)"
        : "";
      return `  - { ${keys.join(", ")} } # ${seen}${note}\n`;
    });
    return rules.length === 0 ? "" : `files:\n${rules.join("")}`;
  }

  #sockets(policy: Policy | undefined): string {
    const rules = (policy?.sockets ?? []).flatMap(({ id, guest, folder, name, access }) => {
      const used = this.#used.get(id);
      if (used?.list !== "sockets") return [];
      const host = `${folder === "/" ? "" : folder}/${name}`;
      const keys = [
        ...idKey(id),
        `guest: ${yamlText(guest)}`,
        `host: ${yamlText(host)}`,
        `access: ${access}`,
      ];
      return [`  - { ${keys.join(", ")} } # ${used.evidence}\n`];
    });
    return rules.length === 0 ? "" : `sockets:\n${rules.join("")}`;
  }

  #unknown(policy: Policy | undefined): string {
    const known = new Set([...(policy?.files ?? []), ...(policy?.sockets ?? [])].map(({ id }) => id));
    const unknown = [...this.#used].filter(([rule]) => !known.has(rule));
    const advice =
      policy === undefined ? "--policy FILE, the one in force, has its paths" : "the policy has none";
    const told = unknown.slice(0, TOLD_MAX).map(([rule, { list, evidence, isWritten }]) => {
      const written = isWritten ? ", written to" : "";
      return `# ${list} rule ${yamlText(rule)} was used${written}; ${evidence}; ${advice}\n`;
    });
    if (unknown.length > TOLD_MAX)
      told.push(`# and ${unknown.length - TOLD_MAX} more rules that were used\n`);
    return told.join("");
  }
}

/** Those that were used, and those below one that is kept, with that one; in the policy's order. */
function keptRules(
  rules: readonly FilesRule[],
  isUsed: (rule: FilesRule) => boolean,
  liesBelow: (inner: FilesRule, outer: FilesRule) => boolean,
): Map<FilesRule, FilesRule | undefined> {
  const above = new Map<FilesRule, FilesRule | undefined>();
  let fresh = rules.filter(isUsed);
  for (const rule of fresh) above.set(rule, undefined);
  while (fresh.length > 0) {
    const from = fresh;
    fresh = rules.filter((rule) => !above.has(rule) && from.some((outer) => liesBelow(rule, outer)));
    for (const rule of fresh)
      above.set(
        rule,
        from.find((outer) => liesBelow(rule, outer)),
      );
  }
  return new Map(rules.filter((rule) => above.has(rule)).map((rule) => [rule, above.get(rule)]));
}

function isBelow(path: string, folder: string): boolean {
  return path !== folder && path.startsWith(folder === "/" ? "/" : `${folder}/`);
}
