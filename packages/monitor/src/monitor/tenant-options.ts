// Guests that the host names: what it may say of each, and what of that cannot be taken. No two have one name, and none
// has a name that another's processes have: those of an attach socket are called by its name with a number behind it.

import { resolve } from "node:path";
import { invalidType, requireObject, requireText } from "@ringway/linux";
import type { Labels } from "../observe/labels.ts";
import { quoted } from "../policy/text.ts";
import type { Policy } from "../policy/types.ts";
import { requirePolicy } from "./arguments.ts";

/** What a guest that has a name may have of its own. */
export interface TenantOptions {
  /** Its own, or the path of its file; without it, the monitor's. A reload of the monitor's is nothing to it. */
  readonly policy?: Policy | string;
  /** In every line about it, as `labels`. */
  readonly labels?: Labels;
}

/** Processes that attach on a socket of their own. */
export interface GuestOptions extends TenantOptions {
  /** They are called by it in events and logs, with a number: web-1, web-2. It is what their budgets go by, too. */
  readonly name: string;
  /** Path of the Unix socket. */
  readonly listen: string;
}

/** Whose policy is to be another. */
export interface ReloadOptions {
  /** A guest's or a VM's name; without it, the monitor's. */
  readonly guest?: string;
  /** What the history and the audit say of how it came. Default: program. */
  readonly via?: "program" | "signal";
}

/** Of the monitor's other guests. */
const RESERVED: readonly string[] = ["guest", "attached"];
const NAME = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;
const NAME_EXPECTED = 'expected up to 64 letters, digits, ".", "_" and "-", a letter first';
const NUMBERED = /^(.*)-\d+$/;
/** As Prometheus has them. */
const LABEL = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
const LABEL_EXPECTED = 'expected up to 64 letters, digits and "_", no digit first';
const LABELS_MAX = 16;
const LABEL_BYTES_MAX = 256;

export function requireDescriptor(value: unknown, name: string): void {
  const isOne = typeof value === "number" && Number.isInteger(value) && value >= 0;
  if (!isOne) throw invalidType(name, "a descriptor, a whole number from 0", value);
}

/** A virtual machine: what its numbers may be is judged where its memory is opened. */
export function requireVm(value: unknown, name: string): void {
  requireObject(value, name, "an object { name, memory, doorbell }");
  const vm = value as Record<string, unknown>;
  requireText(vm.name, `${name}.name`);
  if (typeof vm.memory === "number") requireDescriptor(vm.memory, `${name}.memory`);
  else if (typeof vm.memory === "string") requireText(vm.memory, `${name}.memory`);
  else throw invalidType(`${name}.memory`, "a path or a descriptor", vm.memory);
  requireText(vm.doorbell, `${name}.doorbell`);
  const { memoryBytes } = vm;
  if (memoryBytes !== undefined && typeof memoryBytes !== "number") {
    throw invalidType(`${name}.memoryBytes`, "of type number", memoryBytes);
  }
  requireTenant(vm, name);
}

/** Types alone: what names and labels may be is guestsProblem()'s to say. */
export function requireGuest(value: unknown, name: string): void {
  requireObject(value, name, "an object { name, listen }");
  const guest = value as Record<string, unknown>;
  requireText(guest.name, `${name}.name`);
  requireText(guest.listen, `${name}.listen`);
  requireTenant(guest, name);
}

/** What it has of its own. */
function requireTenant({ policy, labels }: Readonly<Record<string, unknown>>, name: string): void {
  if (policy !== undefined) requirePolicy(policy, `${name}.policy`, { orPath: true });
  if (labels === undefined) return;
  requireObject(labels, `${name}.labels`, "an object such as { team: 'web' }");
  for (const [key, text] of Object.entries(labels as object)) requireText(text, `${name}.labels.${key}`);
}

/** What is wrong with the name of a guest; undefined: nothing. */
export function guestNameProblem(name: string): string | undefined {
  return NAME.test(name) ? undefined : `${quoted(name)} is no name of a guest: ${NAME_EXPECTED}`;
}

/** What is wrong with the guests that the host names, each by itself or two together; undefined: nothing. */
export function guestsProblem(
  guests: readonly GuestOptions[],
  vms: readonly (TenantOptions & { readonly name: string })[],
  listen: string | undefined,
): string | undefined {
  const sockets = new Set(listen === undefined ? [] : [resolve(listen)]);
  for (const [index, { name, listen: path }] of guests.entries()) {
    const problem = guestNameProblem(name);
    if (problem !== undefined) return problem;
    const of = NUMBERED.exec(name)?.[1] ?? name;
    if (RESERVED.includes(of)) return `${quoted(name)} is what guests without a name are called`;
    const clash = nameClash(name, guests.toSpliced(index, 1));
    if (clash !== undefined) return clash;
    if (sockets.has(resolve(path))) return `two guests attach at ${quoted(path)}`;
    sockets.add(resolve(path));
  }
  for (const { name } of vms) {
    const clash = nameClash(name, guests);
    if (clash !== undefined) return clash;
  }
  return [...guests, ...vms].map(({ labels }) => labelsProblem(labels)).find((each) => each !== undefined);
}

/** Why nothing else may be called so beside these guests; undefined: it may. */
export function nameClash(name: string, guests: readonly Pick<GuestOptions, "name">[]): string | undefined {
  const of = NUMBERED.exec(name)?.[1];
  for (const guest of guests) {
    if (guest.name === name) return `two guests are called ${quoted(name)}`;
    if (guest.name === of) return `${quoted(name)} is what those of the guest ${quoted(of)} are called`;
  }
  return undefined;
}

/** What is wrong with the labels of one guest; undefined: nothing. */
export function labelsProblem(labels: Labels = {}): string | undefined {
  const all = Object.entries(labels);
  if (all.length > LABELS_MAX) return `${all.length} labels are more than ${LABELS_MAX}`;
  for (const [key, text] of all) {
    if (!LABEL.test(key)) return `${quoted(key)} is no label: ${LABEL_EXPECTED}`;
    if (Buffer.byteLength(text) > LABEL_BYTES_MAX) {
      return `the label ${quoted(key)} has more than ${LABEL_BYTES_MAX} bytes`;
    }
  }
  return undefined;
}
