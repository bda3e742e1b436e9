// Where the admin API is served, and what of that cannot be taken.

import { requireKeys, requireObject, requireText } from "@ringway/linux";

export interface AdminOptions {
  /** Path of its Unix socket, which its own user alone may connect to (0600). */
  readonly socket: string;
}

export function requireAdmin(value: unknown, name: string): void {
  requireObject(value, name, "an object { socket }");
  const admin = value as Record<string, unknown>;
  requireKeys(admin, name, ["socket"]);
  requireText(admin.socket, `${name}.socket`);
}
