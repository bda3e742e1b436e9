// What `ringway monitor` is told, by its options and by the file of --config: an option stands above the file's key,
// guests of both are served.

import type { AdminOptions, Policy, PublishOptions } from "@ringway/monitor";
import { adminOf } from "../admin/socket.ts";
import { UsageError } from "../errors.ts";
import { guestsOf, type NamedGuests } from "../guests/options.ts";
import type { MonitorConfig, MonitorSettings } from "./read.ts";

/** As commander has them. */
export interface TypedOptions extends Omit<MonitorSettings, "nameServers"> {
  readonly config?: string;
  readonly learn?: string;
  readonly listen?: readonly string[];
  readonly vm?: readonly string[];
  readonly nameServer?: readonly string[];
}

type AdminKey = "admin" | "adminHttp" | "adminToken";

export interface MonitorCommandOptions extends NamedGuests, Omit<MonitorSettings, AdminKey> {
  readonly config?: string;
  /** Where what is learned is written. */
  readonly learn?: string;
  readonly policy: string;
  readonly logLevel: string;
  readonly admin?: AdminOptions;
  /** Of the file. */
  readonly publishes: readonly PublishOptions[];
}

/** Reads the file, where there is one. Throws UsageError, and Failure for a bad file. */
export async function monitorOptions(typed: TypedOptions): Promise<MonitorCommandOptions> {
  const { listen, vm, nameServer, ...others } = typed;
  const file = typed.config === undefined ? undefined : await fromFile(typed.config);
  const guests = guestsOf(listen ?? [], vm ?? [], file);
  const { admin, adminHttp, adminToken, ...settings }: MonitorSettings = {
    ...file?.settings,
    ...others,
    ...(nameServer === undefined ? {} : { nameServers: nameServer }),
  };
  const { policy, logLevel = "info" } = settings;
  if (policy === undefined) {
    const or = typed.config === undefined ? "--config FILE with one" : `policy in ${typed.config}`;
    throw new UsageError(`expected --policy FILE, or ${or}: what guests may do`);
  }
  const served = adminOf(admin, adminHttp, adminToken);
  const { publishes = [] } = file ?? {};
  return { ...settings, ...guests, publishes, ...(served && { admin: served }), policy, logLevel };
}

/** Beside those of the policy's vms. */
export function hasGuests({ listen, guests, vms }: MonitorCommandOptions): boolean {
  return listen !== undefined || guests.length + vms.length > 0;
}

/** Of the policy of a monitor that has no other guests. Throws UsageError. */
export function requireVms(vms: Policy["vms"]): void {
  if (vms.length > 0) return;
  throw new UsageError("expected --listen SOCKET, where processes attach, or --vm, or vms in the policy");
}

async function fromFile(file: string): Promise<MonitorConfig> {
  const { readConfig } = await import("./read.ts");
  return await readConfig(file);
}
