// The virtual machines of a policy: no two have a name, a memory or a doorbell in common.

import { resolve } from "node:path";
import * as defaults from "./defaults.ts";
import type { BuildContext, RawVm } from "./raw.ts";
import { parseSize } from "./sizes.ts";
import { expectedFound, quoted, shown } from "./text.ts";
import type { VmEntry } from "./types.ts";
import { checkExpanded } from "./unexpanded.ts";

export function buildVms(raw: readonly RawVm[], context: BuildContext): VmEntry[] {
  if (context.isBroken(["vms"])) return [];
  const names = new Set<string>();
  const memories = new Set<string>();
  const doorbells = new Set<string>();
  return raw.flatMap((vm, index): VmEntry[] => {
    const path = ["vms", index];
    if (
      context.isBroken(path) ||
      ["name", "memory", "doorbell"].some((key) => context.isBroken([...path, key]))
    ) {
      return [];
    }
    checkExpanded(vm.memory, "a path of the host", [...path, "memory"], context);
    checkExpanded(vm.doorbell, "a path of the host", [...path, "doorbell"], context);
    const memory = resolve(context.folder, vm.memory);
    if (names.has(vm.name))
      context.complain([...path, "name"], `another VM is called ${quoted(vm.name)} already`);
    if (memories.has(memory)) context.complain([...path, "memory"], "this is another VM's memory already");
    const doorbell = resolve(context.folder, vm.doorbell);
    if (doorbells.has(doorbell))
      context.complain([...path, "doorbell"], "this is another VM's doorbell already");
    names.add(vm.name);
    memories.add(memory);
    doorbells.add(doorbell);
    const memoryBytes = vm.size === undefined ? defaults.DEFAULT_VM_MEMORY_BYTES : parseSize(vm.size);
    if (memoryBytes === undefined || !defaults.isVmMemorySize(memoryBytes)) {
      if (!context.isBroken([...path, "size"])) {
        context.complain([...path, "size"], expectedFound(defaults.VM_MEMORY_EXPECTED, shown(vm.size)));
      }
      return [];
    }
    return [{ name: vm.name, memory, doorbell, memoryBytes }];
  });
}
