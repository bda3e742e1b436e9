// Where the admin API of a monitor is served: --admin, --admin-http and --admin-token. Where nobody says which socket,
// it is in the user's own folder for what runs.

import { mkdirSync } from "node:fs";
import { isIP } from "node:net";
import { dirname, join } from "node:path";
import type { AdminOptions } from "@ringway/monitor";
import { UsageError } from "../errors.ts";

/** Of the user's own monitor. Undefined where the system has no such folder for the user. */
export function defaultAdminSocket(): string | undefined {
  const { XDG_RUNTIME_DIR: folder = "" } = process.env;
  return folder.startsWith("/") ? join(folder, "ringway", "admin.sock") : undefined;
}

/** What --admin gives: a path, or true where there is none behind it. Throws UsageError. */
function adminSocketOf(option: string | true): string {
  if (typeof option === "string") return option;
  const socket = defaultAdminSocket();
  if (socket === undefined) {
    throw new UsageError("--admin: XDG_RUNTIME_DIR is no absolute path, so say where: --admin SOCKET");
  }
  return socket;
}

/** That of the default, before a monitor serves there. */
export function makeDefaultFolder(socket: string): void {
  if (socket === defaultAdminSocket()) mkdirSync(dirname(socket), { recursive: true, mode: 0o700 });
}

/** Undefined: nowhere. Throws UsageError. */
export function adminOf(
  socket: string | true | undefined,
  http: string | undefined,
  tokenFile: string | undefined,
): AdminOptions | undefined {
  if (http === undefined && tokenFile !== undefined)
    throw new UsageError("--admin-token (adminToken) goes with --admin-http (adminHttp)");
  if (socket === undefined) {
    if (http !== undefined) throw new UsageError("--admin-http (adminHttp) goes with --admin (admin)");
    return undefined;
  }
  if (http === undefined) return { socket: adminSocketOf(socket) };
  if (tokenFile === undefined)
    throw new UsageError("--admin-http: expected --admin-token FILE (adminToken), with who may come");
  return { socket: adminSocketOf(socket), http: { ...endpoint(http), tokenFile } };
}

export const EXPECTED_ENDPOINT: string = "ADDRESS:PORT, such as 127.0.0.1:9000";

function endpoint(text: string): Endpoint {
  const found = endpointOf(text);
  if (found === undefined)
    throw new UsageError(`--admin-http: expected ${EXPECTED_ENDPOINT}, found "${text}"`);
  return found;
}

interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export function endpointOf(text: string): Endpoint | undefined {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? "";
  const isPort = Number(port) >= 1 && Number(port) <= 65_535;
  return isIP(address) !== 0 && isPort ? { address, port: Number(port) } : undefined;
}
