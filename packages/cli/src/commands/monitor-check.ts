// ringway monitor --check: what is wrong with the file of --config and with the policies, and no monitor. The file
// itself has been read by then.

import { keptBy, type Policy, PolicyError, PolicyLoader, placesOfVm } from "@ringway/monitor";
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
