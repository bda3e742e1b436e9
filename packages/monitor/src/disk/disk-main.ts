// A disk worker's thread: blocks in one operation after another, so that the reactor never does.

import { workerData } from "node:worker_threads";
import {
  Capability,
  dropCapability,
  Errno,
  inCalls,
  ringEventfd,
  SystemError,
  stepBack,
  threadLoaded,
  threadReady,
} from "@ringway/linux";
import { DescriptorRoom } from "../accounts/descriptors.ts";
import { takeLookups } from "./lookups.ts";
import { setDeviceKey } from "./mount/attributes.ts";
import { change, type DiskOperation, type DiskResult, perform, type TreeChange } from "./operations.ts";
import type { DiskAnswer, DiskWorkerData } from "./threads.ts";

threadLoaded();
// What a disk keeps waiting can wait for the reactor too: four of these beside it would have most of a small machine.
stepBack(5);
// So the kernel itself takes set-id bits from a file that is written to or cut, also where the monitor is root's.
const dropped = dropCapability(Capability.KEEP_SET_ID);
if (dropped < 0) throw new SystemError(-dropped, "capset");

const { port, wakeFd, descriptors, deviceKey } = workerData as DiskWorkerData;
setDeviceKey(deviceKey);
const room = new DescriptorRoom(descriptors, wakeFd);

/** What is open when the operation is over is a guest's. */
const TAKES_ONE: ReadonlySet<DiskOperation["kind"]> = new Set([
  "open",
  "list",
  "connectSocket",
  "listenAtSocket",
]);

function mayBegin(operation: DiskOperation): boolean {
  const opens =
    operation.kind === "mount" ? operation.mount.kind === "mount-open" : TAKES_ONE.has(operation.kind);
  return !opens || room.left;
}

const NO_MEMORY: ArrayBuffer[] = [];

/** Large answers go with their memory, which is nobody's here any more. */
function memoryOf(operation: DiskOperation, { data }: DiskResult): ArrayBuffer[] {
  if (operation.kind !== "mount" || data === undefined) return NO_MEMORY;
  const { kind } = operation.mount;
  return kind === "mount-list" || kind === "mount-read" ? [data.buffer as ArrayBuffer] : NO_MEMORY;
}

type Message =
  | TreeChange
  | { readonly kind: "operation"; readonly id: number; readonly operation: DiskOperation };

port.on("message", (message: Message) => {
  if (message.kind !== "operation") {
    change(message);
    return;
  }
  const { id, operation } = message;
  const result = inCalls(() =>
    mayBegin(operation) ? perform(operation) : { errno: Errno.EMFILE, value: 0 },
  );
  port.postMessage({ id, result, lookups: takeLookups() } satisfies DiskAnswer, memoryOf(operation, result));
  ringEventfd(wakeFd);
});
threadReady();
