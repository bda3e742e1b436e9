// Where the admin API of a monitor is, where nobody says: in the user's own folder for what runs.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../errors.ts";

/** Of the user's own monitor. Undefined where the system has no such folder for the user. */
function defaultAdminSocket(): string | undefined {
  const { XDG_RUNTIME_DIR: folder = "" } = process.env;
  return folder.startsWith("/") ? join(folder, "ringway", "admin.sock") : undefined;
}

/** What --admin gives: a path, or true where there is none behind it. Makes the default's folder. Throws UsageError. */
export function adminSocketOf(option: string | true): string {
  if (typeof option === "string") return option;
  const socket = defaultAdminSocket();
  if (socket === undefined) {
    throw new UsageError("--admin: XDG_RUNTIME_DIR is no absolute path, so say where: --admin SOCKET");
  }
  mkdirSync(join(socket, ".."), { recursive: true, mode: 0o700 });
  return socket;
}
