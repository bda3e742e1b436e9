// Where the admin API is served, and what of that cannot be taken.

import { isIP } from "node:net";
import { invalidValue, requireKeys, requireObject, requireText } from "@ringway/linux";

export interface AdminOptions {
  /** Path of its Unix socket, which its own user alone may connect to (0600). */
  readonly socket: string;
  /** Over TCP as well, for who has the token. Plain HTTP: for this host, or behind what encrypts. */
  readonly http?: AdminHttpOptions;
}

export interface AdminHttpOptions {
  /** An address of this host: "127.0.0.1". */
  readonly address: string;
  readonly port: number;
  /** Path of a file with the bearer token, which its owner alone may read. */
  readonly tokenFile: string;
}

/** Of each of its servers, at once. */
export const ADMIN_CONNECTIONS_MAX = 64;

/** Descriptors that it may have at once: those connections, the one that makes room, and the listener. */
export function adminDescriptors(admin: AdminOptions | undefined): number {
  if (admin === undefined) return 0;
  return (admin.http === undefined ? 1 : 2) * (ADMIN_CONNECTIONS_MAX + 2);
}

function requireHttp(value: unknown, name: string): void {
  requireObject(value, name, "an object { address, port, tokenFile }");
  const { address, port, tokenFile, ...others } = value as Record<string, unknown>;
  requireKeys(others, name, []);
  requireText(address, `${name}.address`);
  requireText(tokenFile, `${name}.tokenFile`);
  if (isIP(address as string) === 0) throw invalidValue(`${name}.address`, address, "must be an IP address");
  const isPort = typeof port === "number" && Number.isInteger(port) && port >= 1 && port <= 65_535;
  if (!isPort) throw invalidValue(`${name}.port`, port, "must be a port, 1 to 65535");
}

export function requireAdmin(value: unknown, name: string): void {
  requireObject(value, name, "an object { socket }");
  const admin = value as Record<string, unknown>;
  requireKeys(admin, name, ["socket", "http"]);
  requireText(admin.socket, `${name}.socket`);
  if (admin.http !== undefined) requireHttp(admin.http, `${name}.http`);
}
