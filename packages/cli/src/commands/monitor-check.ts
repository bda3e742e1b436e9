// ringway monitor --check: what is wrong with the file of --config and with the policies, and no monitor. The file
// itself has been read by then.

import { type BigIntStats, statSync } from "node:fs";
import { dirname } from "node:path";
import {
  isVmMemorySize,
  keptBy,
  type Policy,
  PolicyError,
  PolicyLoader,
  placesOfVm,
  VM_MEMORY_EXPECTED,
} from "@ringway/monitor";
import { defaultAdminSocket } from "../admin/socket.ts";
import { keptFiles } from "../config/kept.ts";
import { hasGuests, type MonitorCommandOptions, requireVms } from "../config/options.ts";
import { Exit, errorLine, Failure } from "../errors.ts";
import { plural } from "../numbers.ts";
import { checkPolicy } from "./policy.ts";

/** Each policy by itself, as `ringway policy check`, beside all that this monitor keeps from guests. */
export async function checkMonitor(options: MonitorCommandOptions): Promise<number> {
  const { config, policy, guests, vms } = options;
  if (config !== undefined) {
    console.log(`${config}: ok (${plural(guests.length, "guest")}, ${plural(vms.length, "VM")})`);
  }
  const own = [...guests, ...vms].flatMap((guest) =>
    typeof guest.policy === "string" ? [guest.policy] : [],
  );
  await using loader = new PolicyLoader();
  const kept = [...keptBy({ ...options, kept: keptFiles(config) }), ...vms.flatMap(placesOfVm)];
  const ofPolicy = await machinesOf(policy, loader);
  kept.push(...(ofPolicy ?? []).flatMap(placesOfVm));
  let code: number = Exit.OK;
  for (const { text, isProblem } of placesFound(options, [...vms, ...(ofPolicy ?? [])])) {
    if (!isProblem) console.log(text);
    else {
      console.error(`${config ?? "ringway"}: ${text}`);
      code = Exit.FAILED;
    }
  }
  for (const file of new Set([policy, ...own])) {
    try {
      const checked = await checkPolicy(file, loader, kept);
      requireUsable(file, checked, options);
    } catch (error) {
      if (!(error instanceof Failure && error.isReport)) throw error;
      console.error(error.message);
      code = Exit.FAILED;
    }
  }
  if (ofPolicy !== undefined && !hasGuests(options)) requireVms(ofPolicy);
  return code;
}

interface Machine {
  readonly name: string;
  readonly memory: string | number;
  readonly doorbell: string;
}

/** Of a place: what keeps the monitor from starting, or what only is not there yet. */
interface Found {
  readonly text: string;
  readonly isProblem: boolean;
}

/** Folders that are none, files that are not there, and memories that no machine can have. */
function placesFound(options: MonitorCommandOptions, machines: readonly Machine[]): Found[] {
  const { listen, guests, audit, admin } = options;
  const files = [
    ...(listen === undefined ? [] : [["the attach socket", listen]]),
    ...guests.map(({ name, listen }) => [`the attach socket of ${name}`, listen]),
    ...(admin === undefined ? [] : [["the admin socket", admin.socket]]),
    ...(audit === undefined ? [] : [["the audit file", audit]]),
    ...machines.map(({ name, doorbell }) => [`the doorbell of ${name}`, doorbell]),
  ] as const;
  const token = admin?.http?.tokenFile;
  return [
    ...files.flatMap(([what, path]) => folderFound(what!, path!)),
    ...machines.flatMap(({ name, memory }) => (typeof memory === "string" ? memoryFound(name, memory) : [])),
    ...(token === undefined ? [] : tokenFound(token)),
  ];
}

/** Who makes the sockets of a service makes the folder, too, and that of its logs: at its start, if not before. */
function folderFound(what: string, path: string): Found[] {
  const folder = dirname(path);
  const found = lookedAt(folder);
  if (typeof found === "string") return [problem(`${what}: its folder cannot be looked at: ${found}`)];
  if (found?.isDirectory()) return [];
  if (found !== undefined) return [problem(`${what}: ${folder} is no folder`)];
  // That of the usual admin socket is made.
  if (path === defaultAdminSocket()) return [];
  return [{ text: `${what}: its folder is not there yet: ${folder}`, isProblem: false }];
}

function memoryFound(name: string, memory: string): Found[] {
  const what = `the memory of ${name}`;
  const found = lookedAt(memory);
  if (typeof found === "string") return [problem(`${what} cannot be looked at: ${found}`)];
  if (found === undefined) {
    const folder = folderFound(what, memory).map(({ text }) => problem(text));
    const text = `${memory}: is not there yet, and is made at the start, for ${name}`;
    return folder.length > 0 ? folder : [{ text, isProblem: false }];
  }
  // An empty one is made anew.
  if (found.isFile() && (found.size === 0n || isVmMemorySize(Number(found.size)))) return [];
  const why = found.isFile() ? `has ${found.size} bytes: expected ${VM_MEMORY_EXPECTED}` : "is not a file";
  return [problem(`${what}: ${memory} ${why}`)];
}

function tokenFound(token: string): Found[] {
  const found = lookedAt(token);
  if (typeof found === "string") return [problem(`the admin token cannot be looked at: ${found}`)];
  return found === undefined ? [problem(`the admin token: there is no file ${token}`)] : [];
}

const problem = (text: string): Found => ({ text, isProblem: true });

/** Undefined: it is not there; a string: why nobody can say. */
function lookedAt(path: string): BigIntStats | string | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false, bigint: true });
  } catch (error) {
    return errorLine(error);
  }
}

/** Those that a policy serves; undefined: it is bad, as its report will say. */
async function machinesOf(policy: string, loader: PolicyLoader): Promise<Policy["vms"] | undefined> {
  try {
    return (await loader.load(policy)).vms;
  } catch (error) {
    if (error instanceof PolicyError) return undefined;
    throw error;
  }
}

/** What a monitor would not start with. */
function requireUsable(file: string, { vms, audit }: Policy, options: MonitorCommandOptions): void {
  if (audit === "required" && options.audit === undefined) {
    throw new Failure(`${file}: \`audit: required\` needs --audit FILE, or audit in the file of --config`, {
      isReport: true,
    });
  }
  if (vms.length > 0 && file !== options.policy) {
    throw new Failure(`${file}: the policy of one guest has no vms: they stand in the monitor's`, {
      isReport: true,
    });
  }
}
