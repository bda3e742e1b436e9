// ringway monitor --check: what is wrong with the file of --config and with the policies, and no monitor. The file
// itself has been read by then.

import { statSync } from "node:fs";
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
import { Exit, Failure } from "../errors.ts";
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
  for (const problem of placeProblems(options, [...vms, ...(ofPolicy ?? [])])) {
    console.error(`${config ?? "ringway"}: ${problem}`);
    code = Exit.FAILED;
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

/** Folders that are not there, and memories that no machine can have. */
function placeProblems(options: MonitorCommandOptions, machines: readonly Machine[]): string[] {
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
    ...files.flatMap(([what, path]) => folderProblem(what!, path!)),
    ...machines.flatMap(({ name, memory }) =>
      typeof memory === "string" ? memoryProblem(name, memory) : [],
    ),
    ...(token === undefined || isThere(token) ? [] : [`the admin token: there is no file ${token}`]),
  ];
}

function folderProblem(what: string, path: string): string[] {
  const folder = dirname(path);
  // That of the usual admin socket is made.
  if (isThere(folder) || path === defaultAdminSocket()) return [];
  return [`${what}: its folder does not exist: ${folder}`];
}

function memoryProblem(name: string, memory: string): string[] {
  const found = statSync(memory, { throwIfNoEntry: false, bigint: true });
  if (found === undefined) {
    const problems = folderProblem(`the memory of ${name}`, memory);
    if (problems.length === 0)
      console.log(`${memory}: is not there yet, and is made at the start, for ${name}`);
    return problems;
  }
  // An empty one is made anew.
  if (found.isFile() && (found.size === 0n || isVmMemorySize(Number(found.size)))) return [];
  const what = found.isFile() ? `has ${found.size} bytes: expected ${VM_MEMORY_EXPECTED}` : "is not a file";
  return [`the memory of ${name}: ${memory} ${what}`];
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false, bigint: true }) !== undefined;
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
