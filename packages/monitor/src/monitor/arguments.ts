// What a program passes, judged by its type at the call that takes it: passed on, a wrong one would show much later and
// elsewhere, such as a promise at the next thread (DataCloneError). Errors have Node's codes, and a promise is told to
// be awaited. Values out of their bounds are options.ts's.

import { invalidType, invalidValue, isThenable, requireObject, requireText } from "@ringway/linux";

function requireDescriptor(value: unknown, name: string): void {
  const isOne = typeof value === "number" && Number.isInteger(value) && value >= 0;
  if (!isOne) throw invalidType(name, "a descriptor, a whole number from 0", value);
}

/** A virtual machine: what its numbers may be is judged where its memory is opened. */
export function requireVm(value: unknown, name: string): void {
  requireObject(value, name, "an object { name, memory, doorbell }");
  const vm = value as Record<string, unknown>;
  requireText(vm.name, `${name}.name`);
  if (typeof vm.memory === "number") requireDescriptor(vm.memory, `${name}.memory`);
  else if (typeof vm.memory === "string") requireText(vm.memory, `${name}.memory`);
  else throw invalidType(`${name}.memory`, "a path or a descriptor", vm.memory);
  requireText(vm.doorbell, `${name}.doorbell`);
  const { memoryBytes } = vm;
  if (memoryBytes !== undefined && typeof memoryBytes !== "number") {
    throw invalidType(`${name}.memoryBytes`, "of type number", memoryBytes);
  }
}

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
