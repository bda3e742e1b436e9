// The regions' thread: unmakes guests' regions, one after the other, so that the reactor never waits for the kernel to
// free their pages.

import { workerData } from "node:worker_threads";
import { inCalls, ringEventfd, stepBack, threadLoaded, threadReady, unmakeMapping } from "@ringway/linux";
import type { RegionThreadData, UnmadeRegion, UnmakeRegion } from "./thread.ts";

threadLoaded();
// As the disk workers: pages that are freed a little later are nobody's loss, a reactor that waits for the processor is
// everybody's.
stepBack(5);

const { port, wakeFd } = (workerData as RegionThreadData).regions;

port.on("message", ({ id, mapping }: UnmakeRegion) => {
  inCalls(() => unmakeMapping(mapping));
  port.postMessage({ id } satisfies UnmadeRegion);
  ringEventfd(wakeFd);
});
threadReady();
