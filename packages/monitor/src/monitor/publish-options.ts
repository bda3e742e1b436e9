// A port of the host that leads to a port of a guest: as it is asked for, and what of that cannot be taken.

import { formatEndpoint, parseInet } from "@ringway/control";
import { invalidValue, requireKeys, requireObject, requireText } from "@ringway/linux";
import type { Publication } from "../thread/messages.ts";
import { guestNameProblem } from "./tenant-options.ts";

export interface PublishOptions {
  /** Of this host. Default: 127.0.0.1, this host alone. */
  readonly address?: string;
  /** Of this host: 1 to 65535. */
  readonly port: number;
  /** The name of a guest with an attach socket of its own, or of a VM: now, or when there is one. */
  readonly guest: string;
  /** What it listens on. Default: the same as `port`. */
  readonly guestPort?: number;
}

const DEFAULT_ADDRESS = "127.0.0.1";
const KEYS: { readonly [K in keyof Required<PublishOptions>]: true } = {
  address: true,
  port: true,
  guest: true,
  guestPort: true,
};

function isPort(port: unknown): port is number {
  return typeof port === "number" && Number.isInteger(port) && port >= 1 && port <= 65_535;
}

/** Throws TypeError with Node's codes. */
export function requirePublish(value: unknown, name: string): void {
  requireObject(value, name, "an object such as { port: 8080, guest: 'web' }");
  const given = value as Record<string, unknown>;
  requireKeys(given, "key", Object.keys(KEYS));
  const { address = DEFAULT_ADDRESS, port, guest, guestPort = port } = given;
  requireText(address, `${name}.address`);
  if (parseInet(address, 0) === undefined)
    throw invalidValue(`${name}.address`, address, "must be an IP address");
  if (!isPort(port)) throw invalidValue(`${name}.port`, port, "must be a port, 1 to 65535");
  if (!isPort(guestPort)) throw invalidValue(`${name}.guestPort`, guestPort, "must be a port, 1 to 65535");
  requireText(guest, `${name}.guest`);
  const problem = guestNameProblem(guest);
  if (problem !== undefined) throw invalidValue(`${name}.guest`, guest, `is invalid: ${problem}`);
}

/** After requirePublish(). */
export function publicationOf(options: PublishOptions): Publication {
  const { address: text = DEFAULT_ADDRESS, port, guest, guestPort = port } = options;
  const address = parseInet(text, port)!;
  return { id: formatEndpoint(address), address, tenant: guest, port: guestPort };
}

/** As it is told: "127.0.0.1:8080", "[::1]:8080". Undefined for what is no address with a port. */
export function publishId(text: string): string | undefined {
  const [, bracketed, plain = bracketed, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const place = plain === undefined || !isPort(Number(port)) ? undefined : parseInet(plain, Number(port));
  return place && formatEndpoint(place);
}
