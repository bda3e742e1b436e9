// A disk worker's thread: blocks in one operation after another, so that the reactor never does.

import { type MessagePort, workerData } from "node:worker_threads";
import { ringEventfd, threadLoaded } from "@ringway/linux";
import { type DiskOperation, perform } from "./operations.ts";

threadLoaded();

/** `wakeFd` is the reactor's eventfd: it sleeps in epoll and sees no messages. */
const { port, wakeFd } = workerData as { port: MessagePort; wakeFd: number };

port.on("message", ({ id, operation }: { id: number; operation: DiskOperation }) => {
  port.postMessage({ id, result: perform(operation) });
  ringEventfd(wakeFd);
});
