// ringway.yaml, of `ringway monitor --config`: what the options say, by the same words (--busy-poll-us is busyPollUs),
// checked as they are. Paths are relative to the file.
//
//   version: 1
//   policy: policy.yaml
//   guests:
//     - { name: web, listen: web.sock, policy: web.yaml, labels: { team: a } }
//   vms:
//     - { name: vm1, memory: /dev/shm/vm1, doorbell: vm1.sock, size: 64M }
//   publishes:
//     - { address: 0.0.0.0, port: 8080, guest: web, guestPort: 80 }

import { dirname, isAbsolute, join, resolve } from "node:path";
import { canonicalAddress } from "@ringway/control";
import {
  type GuestOptions,
  guestNameProblem,
  guestsProblem,
  hostReverse,
  NameServerError,
  PolicyError,
  PolicyLoader,
  type PublishOptions,
  unexpandedPath,
  type VmOptions,
  type YamlPlace,
} from "@ringway/monitor";
import { EXPECTED_ENDPOINT, endpointOf } from "../admin/socket.ts";
import type { NamedGuests } from "../guests/options.ts";
import { LOG_LEVELS } from "../log-levels.ts";
import { BOUNDS } from "../numbers.ts";
import { policyFailure } from "../policy-failure.ts";
import { parseMemory } from "../vm/size.ts";

/** What the monitor has beside its guests. */
export interface MonitorSettings {
  readonly policy?: string;
  readonly busyPollUs?: number;
  readonly drainMs?: number;
  readonly maxGuests?: number;
  readonly nameServers?: readonly string[];
  readonly audit?: string;
  /** A path, or "unix:" and that of a socket. */
  readonly flows?: string;
  /** true: at its default. */
  readonly admin?: string | true;
  /** ADDRESS:PORT. */
  readonly adminHttp?: string;
  readonly adminToken?: string;
  readonly logLevel?: string;
}

export interface MonitorConfig extends NamedGuests {
  readonly settings: MonitorSettings;
  readonly publishes: readonly PublishOptions[];
}

const EXPECTED_PATH = "a path";
const EXPECTED_LABELS = "a map of names to strings";

type Read<T> = (place: YamlPlace, folder: string) => T | undefined;

/** Each key of the file that is a setting, and how it is read. */
const SETTINGS: { readonly [K in keyof Required<MonitorSettings>]: Read<MonitorSettings[K]> } = {
  policy: pathAt,
  busyPollUs: numberOf("busyPollUs", "microseconds"),
  drainMs: numberOf("drainMs", "milliseconds"),
  maxGuests: numberOf("maxGuests", "guests"),
  nameServers: (place) => place.oneOrMore("a list of name servers").flatMap((each) => nameServer(each) ?? []),
  audit: pathAt,
  flows: flowsAt,
  admin: (place, folder) => (place.value === true ? true : pathAt(place, folder)),
  adminHttp: (place) => {
    const text = place.text(EXPECTED_ENDPOINT);
    if (text === undefined || endpointOf(text) !== undefined) return text;
    place.complain(`expected ${EXPECTED_ENDPOINT}, found ${JSON.stringify(text)}`);
    return undefined;
  },
  adminToken: pathAt,
  logLevel: (place) => place.oneOf(LOG_LEVELS),
};

const ROOT = ["version", ...Object.keys(SETTINGS), "listen", "guests", "vms", "publishes"];
const GUEST = { known: ["name", "listen", "policy", "labels"], required: ["name", "listen"] };
const PUBLISH = { known: ["address", "port", "guest", "guestPort"], required: ["port", "guest"] };
const PORTS: readonly [number, number] = [1, 65_535];
const EXPECTED_PORT = "a port, 1 to 65535";
const VM = {
  known: ["name", "memory", "doorbell", "size", "policy", "labels"],
  required: ["name", "memory", "doorbell"],
};

/** Throws Failure, with all mistakes of the file. */
export async function readConfig(file: string): Promise<MonitorConfig> {
  await using loader = new PolicyLoader();
  try {
    return await loader.readYaml(file, (root) => configOf(root, dirname(file)));
  } catch (error) {
    if (error instanceof PolicyError) throw policyFailure(error);
    throw error;
  }
}

function configOf(root: YamlPlace, folder: string): MonitorConfig {
  const keys = root.map("a map of keys, beginning with version: 1", { known: ROOT, required: ["version"] });
  const version = keys?.get("version");
  if (version !== undefined && version.value !== 1) version.whole("1", [1, 1]);
  const settings = Object.fromEntries(
    Object.entries(SETTINGS).flatMap(([key, read]) => {
      const place = keys?.get(key);
      const value = place && read(place, folder);
      return value === undefined ? [] : [[key, value]];
    }),
  ) as MonitorSettings;
  const listenAt = keys?.get("listen");
  const listen = listenAt && pathAt(listenAt, folder);
  const found = new Found(listen);
  for (const place of keys?.get("guests")?.list("a list of guests") ?? []) guestAt(place, folder, found);
  for (const place of keys?.get("vms")?.list("a list of VMs") ?? []) vmAt(place, folder, found);
  const publishes = (keys?.get("publishes")?.list("a list of ports") ?? []).flatMap(publishAt);
  const { guests, vms } = found;
  return { settings, guests, vms, publishes, ...(listen === undefined ? {} : { listen }) };
}

function flowsAt(place: YamlPlace, folder: string): string | undefined {
  const { value } = place;
  if (typeof value !== "string" || !value.startsWith("unix:")) return pathAt(place, folder);
  return `unix:${resolve(folder, value.slice("unix:".length))}`;
}

/** The guests so far: the one that makes a problem of them is where that stands. */
class Found {
  readonly guests: GuestOptions[] = [];
  readonly vms: VmOptions[] = [];
  readonly #listen: string | undefined;

  constructor(listen: string | undefined) {
    this.#listen = listen;
  }

  add(place: YamlPlace, guest: GuestOptions): void {
    if (this.#isFine(place, [...this.guests, guest], this.vms)) this.guests.push(guest);
  }

  addVm(place: YamlPlace, vm: VmOptions): void {
    const isTaken = this.vms.some(({ name }) => name === vm.name);
    if (isTaken) place.complain(`two VMs are called ${JSON.stringify(vm.name)}`);
    else if (this.#isFine(place, this.guests, [...this.vms, vm])) this.vms.push(vm);
  }

  #isFine(place: YamlPlace, guests: readonly GuestOptions[], vms: readonly VmOptions[]): boolean {
    const problem = guestsProblem(guests, vms, this.#listen);
    if (problem !== undefined) place.complain(problem);
    return problem === undefined;
  }
}

function guestAt(place: YamlPlace, folder: string, found: Found): void {
  const keys = place.map("a map with name and listen", GUEST);
  const name = nameAt(keys?.get("name"));
  const listen = keys?.get("listen");
  const path = listen && pathAt(listen, folder);
  const own = ownAt(keys, folder);
  if (name !== undefined && path !== undefined) found.add(place, { name, listen: path, ...own });
}

function vmAt(place: YamlPlace, folder: string, found: Found): void {
  const keys = place.map("a map with name, memory and doorbell", VM);
  const name = nameAt(keys?.get("name"));
  const [memory, doorbell] = ["memory", "doorbell"].map((key) => {
    const at = keys?.get(key);
    const path = at && pathAt(at, folder);
    return path && resolve(path);
  });
  const size = keys?.get("size");
  const memoryBytes = size && sizeAt(size);
  const own = ownAt(keys, folder);
  if (name === undefined || memory === undefined || doorbell === undefined) return;
  found.addVm(place, {
    name,
    memory,
    doorbell,
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    ...own,
  });
}

function publishAt(place: YamlPlace): PublishOptions[] {
  const keys = place.map("a map with port and guest", PUBLISH);
  const [port, guestPort] = ["port", "guestPort"].map((key) => keys?.get(key)?.whole(EXPECTED_PORT, PORTS));
  const guest = nameAt(keys?.get("guest"));
  const at = keys?.get("address");
  const address = at?.text("an IP address of this host");
  const problem = address === undefined ? undefined : addressProblem(address);
  if (problem !== undefined) at?.complain(problem);
  if (port === undefined || guest === undefined) return [];
  return [
    {
      port,
      guest,
      ...(address === undefined ? {} : { address }),
      ...(guestPort === undefined ? {} : { guestPort }),
    },
  ];
}

function addressProblem(address: string): string | undefined {
  return canonicalAddress(address) !== undefined
    ? undefined
    : `expected an IP address of this host, found ${JSON.stringify(address)}`;
}

function nameAt(place: YamlPlace | undefined): string | undefined {
  const name = place?.text("the name of a guest");
  const problem = name === undefined ? undefined : guestNameProblem(name);
  if (problem !== undefined) place?.complain(problem);
  return problem === undefined ? name : undefined;
}

/** What a guest may have of its own, whatever it is. */
function ownAt(
  keys: ReadonlyMap<string, YamlPlace> | undefined,
  folder: string,
): Pick<GuestOptions, "policy" | "labels"> {
  const policyAt = keys?.get("policy");
  const policy = policyAt && pathAt(policyAt, folder);
  const labels = [...(keys?.get("labels")?.entries(EXPECTED_LABELS) ?? [])].flatMap(([key, place]) => {
    const text = place.text("a string (numbers, true and null need quotes)");
    if (text === undefined) return [];
    // Of it alone: so it is told where it stands.
    const problem = guestsProblem([], [{ name: "vm", labels: Object.fromEntries([[key, text]]) }], undefined);
    if (problem !== undefined) place.complain(problem);
    return problem === undefined ? [[key, text]] : [];
  });
  return {
    ...(policy === undefined ? {} : { policy }),
    ...(labels.length === 0 ? {} : { labels: Object.fromEntries(labels) }),
  };
}

function pathAt(place: YamlPlace, folder: string): string | undefined {
  const path = place.text(EXPECTED_PATH);
  if (path === undefined) return undefined;
  const problem = unexpandedPath(path);
  if (problem !== undefined) {
    place.complain(`expected ${EXPECTED_PATH}; ${problem}`);
    return undefined;
  }
  return isAbsolute(path) ? path : join(folder, path);
}

function sizeAt(place: YamlPlace): number | undefined {
  const text = typeof place.value === "number" ? String(place.value) : place.text("a size such as 64M or 1G");
  const size = text === undefined ? undefined : parseMemory(text);
  if (typeof size !== "string") return size;
  place.complain(size);
  return undefined;
}

function numberOf(name: "busyPollUs" | "drainMs" | "maxGuests", unit: string): Read<number> {
  const [least, most] = BOUNDS[name];
  return (place) => place.whole(`a number of ${unit} from ${least} to ${most}`, [least, most]);
}

function nameServer(place: YamlPlace): string | undefined {
  const text = place.text("the address of a name server");
  if (text === undefined) return undefined;
  try {
    hostReverse({ nameServers: [text] });
    return text;
  } catch (error) {
    if (!(error instanceof NameServerError)) throw error;
    place.complain(error.message);
    return undefined;
  }
}
