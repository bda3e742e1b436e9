// The regions' thread: makes and unmakes guests' regions, one after the other, so that the reactor never waits for the kernel to map or
// free their pages. Who waits for a region comes before who has left one: somebody may leave many, with all of their pages touched.

import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import {
  inCalls,
  makeMapping,
  ringEventfd,
  SystemError,
  stepBack,
  threadLoaded,
  unmakeMapping,
} from "@ringway/linux";
import type { MakeRegion, RegionAnswer, RegionThreadData, RegionWork, UnmakeRegion } from "./thread.ts";

threadLoaded();
// As the disk workers: pages that are freed a little later are nobody's loss, a reactor that waits for the processor is everybody's.
stepBack(5);

const { port, wakeFd } = (workerData as RegionThreadData).regions;
const makes: MakeRegion[] = [];
const unmakes: UnmakeRegion[] = [];

function take(work: RegionWork): void {
  if (work.kind === "make") makes.push(work);
  else unmakes.push(work);
}

function perform(work: RegionWork): RegionAnswer {
  const { id } = work;
  if (work.kind === "unmake") {
    unmakeMapping(work.mapping);
    return { kind: "unmade", id };
  }
  try {
    return { kind: "made", id, mapping: makeMapping(work.name, work.bytes, work.viewAddress) };
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const { errno, syscall, path } = error;
    return { kind: "not-made", id, failure: { errno, syscall, path } };
  }
}

port.on("message", (first: RegionWork) => {
  take(first);
  for (;;) {
    for (let more = receiveMessageOnPort(port); more !== undefined; more = receiveMessageOnPort(port)) {
      take(more.message as RegionWork);
    }
    const work = makes.shift() ?? unmakes.shift();
    if (work === undefined) return;
    port.postMessage(inCalls(() => perform(work)));
    ringEventfd(wakeFd);
  }
});
parentPort!.postMessage("loaded");
