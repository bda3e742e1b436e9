// What a program passes, judged by its type at the call that takes it: passed on, a wrong one would show much later and
// elsewhere, such as a promise at the next thread (DataCloneError). Errors have Node's codes, and a promise is told to
// be awaited. Values out of their bounds are options.ts's.

import { invalidType, invalidValue, isThenable, requireText } from "@ringway/linux";

/** What parsePolicy() gives; and with `orPath`, the path of a policy file. */
export function requirePolicy(value: unknown, name: string, { orPath }: { readonly orPath: boolean }): void {
  if (orPath && typeof value === "string") {
    if (value.includes("\n")) {
      const hint = "must be the path of a policy file, found its text: pass that through parsePolicy()";
      throw invalidValue(name, value, hint);
    }
    requireText(value, name);
    return;
  }
  const { connect, listen, files, sockets, vms } = Object(value) as Record<string, unknown>;
  if ([connect, listen, files, sockets, vms].every(Array.isArray)) return;
  const given = "what parsePolicy() or `await loadPolicy()` gives";
  throw invalidType(name, orPath ? `the path of a policy file, or ${given}` : given, value);
}

/** A pino logger, as far as it is used. */
export function requireLogger(value: unknown, name: string): void {
  const logger = Object(value) as Record<string, unknown>;
  const isOne = ["debug", "info", "warn", "error", "fatal"].every(
    (level) => typeof logger[level] === "function",
  );
  if (!isOne || isThenable(value)) throw invalidType(name, "a pino logger, as createLogger() gives", value);
}
