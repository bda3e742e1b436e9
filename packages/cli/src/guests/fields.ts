// What stands behind the first part of --listen and --vm: key=value, between commas. `label` may come several times.

import { nearest } from "@ringway/linux";
import { unexpandedPath } from "@ringway/monitor";

/** What a guest has of its own, whatever it is. */
export interface OwnFields {
  /** Path of a policy file. */
  readonly policy?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

const OWN = { policy: "FILE", label: "KEY=VALUE" } as const;

/**
 * Values by their keys: those of the option, given with what each is, and those that all guests may have. Or the
 * sentence that says what is wrong.
 */
export function parseFields(
  parts: readonly string[],
  keys: Readonly<Record<string, string>>,
): Fields | string {
  const known = { ...keys, ...OWN };
  const values = new Map<string, string>();
  const labels = new Map<string, string>();
  for (const part of parts) {
    const equals = part.indexOf("=");
    const key = part.slice(0, Math.max(0, equals));
    const value = part.slice(equals + 1);
    if (!Object.hasOwn(known, key) || value === "") return unknown(part, key, known);
    if (key !== "label") {
      if (values.has(key)) return `expected one ${key}, found two`;
      values.set(key, value);
      continue;
    }
    const [name, text] = label(value);
    if (name === "") return `expected label=KEY=VALUE, found "${part}"`;
    if (labels.has(name)) return `expected one label ${name}, found two`;
    labels.set(name, text);
  }
  // Each is its own, "__proto__" included.
  return own(values, Object.fromEntries(labels));
}

export interface Fields {
  readonly values: ReadonlyMap<string, string>;
  readonly own: OwnFields;
}

function own(values: ReadonlyMap<string, string>, labels: Readonly<Record<string, string>>): Fields | string {
  const policy = values.get("policy");
  const problem = policy === undefined ? undefined : unexpandedPath(policy);
  if (problem !== undefined) return `policy: ${problem}`;
  const hasLabels = Object.keys(labels).length > 0;
  return { values, own: { ...(policy === undefined ? {} : { policy }), ...(hasLabels ? { labels } : {}) } };
}

function label(text: string): [key: string, value: string] {
  const equals = text.indexOf("=");
  return [text.slice(0, Math.max(0, equals)), text.slice(equals + 1)];
}

function unknown(part: string, key: string, known: Readonly<Record<string, string>>): string {
  const forms = Object.entries(known).map((each) => each.join("="));
  const meant = key === "" || Object.hasOwn(known, key) ? undefined : nearest(key, Object.keys(known));
  const hint = meant === undefined ? "" : `; did you mean "${meant}"?`;
  return `expected ${forms.slice(0, -1).join(", ")} or ${forms.at(-1)}, found "${part}"${hint}`;
}
