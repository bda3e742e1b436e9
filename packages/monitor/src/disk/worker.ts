// A disk worker's thread: blocks in one operation after another, so that the reactor never does.

import { type MessagePort, workerData } from "node:worker_threads";
import { Capability, dropCapability, ringEventfd, SystemError, stepBack, threadLoaded } from "@ringway/linux";
import { change, type DiskOperation, perform, type TreeChange } from "./operations.ts";

threadLoaded();
// What a disk keeps waiting can wait for the reactor too: four of these beside it would have most of a small machine.
stepBack(10);
// So the kernel itself takes set-id bits from a file that is written to or cut, also where the monitor is root's.
const dropped = dropCapability(Capability.KEEP_SET_ID);
if (dropped < 0) throw new SystemError(-dropped, "capset");

/** `wakeFd` is the reactor's eventfd: it sleeps in epoll and sees no messages. */
const { port, wakeFd } = workerData as { port: MessagePort; wakeFd: number };

type Message =
  | TreeChange
  | { readonly kind: "operation"; readonly id: number; readonly operation: DiskOperation };

port.on("message", (message: Message) => {
  if (message.kind !== "operation") {
    change(message);
    return;
  }
  const { id, operation } = message;
  port.postMessage({ id, result: perform(operation) });
  ringEventfd(wakeFd);
});
