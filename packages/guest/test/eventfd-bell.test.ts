// The doorbell of a process, with a monitor that does to the descriptors whatever Linux lets it do.

import { spawnSync } from "node:child_process";
import { setTimeout } from "node:timers/promises";
import {
  AsyncPoll,
  closeFd,
  createEventfd,
  duplicateFd,
  POLLOUT,
  ringEventfd,
  setNonBlocking,
  unixPair,
} from "@ringway/linux";
import { describe, expect, it, onTestFinished } from "vitest";
import { EventfdBell } from "../src/attach/eventfd-bell.ts";

interface Doorbell {
  readonly bell: EventfdBell;
  /** The monitor's descriptors. */
  readonly rung: number;
  readonly socket: number;
  readonly heard: { bells: number; gone: Error[] };
}

function doorbell(): Doorbell {
  const rung = createEventfd();
  const [socket, guests] = unixPair();
  const bell = new EventfdBell(createEventfd(), duplicateFd(rung), guests);
  const heard = { bells: 0, gone: [] as Error[] };
  bell.listen({ bell: () => heard.bells++, gone: (reason) => heard.gone.push(reason) });
  onTestFinished(() => {
    bell.close();
    closeFd(rung);
  });
  return { bell, rung, socket, heard };
}

describe("a process's doorbell", () => {
  it("is heard for each ring, and tells once that the monitor is gone", async () => {
    const { rung, socket, heard } = doorbell();
    for (let rings = 1; rings <= 100; rings++) {
      ringEventfd(rung);
      await expect.poll(() => heard.bells, { interval: 1 }).toBe(rings);
    }
    closeFd(socket);
    await expect.poll(() => heard.gone.length).toBe(1);
    expect(heard.gone[0]).toMatchObject({ code: "ECONNRESET" });
  });

  it("is heard where it was rung before it was listened to, blocking or not", async () => {
    const { rung, socket, heard } = doorbell();
    setNonBlocking(rung, false);
    ringEventfd(rung);
    await expect.poll(() => heard.bells).toBe(1);
    closeFd(socket);
  });

  it("that is emptied by the monitor, and made to block, after the loop was told of it, makes nobody wait", () => {
    const at = (module: string): string => JSON.stringify(new URL(module, import.meta.url));
    // Both are ready in one turn of the loop; the listener of the one that comes first does what a monitor could do
    // meanwhile.
    const program = `
      const linux = await import(${at("../../linux/lib/index.js")});
      const { EventfdBell } = await import(${at("../dist/attach/eventfd-bell.js")});
      const rungs = [linux.createEventfd(), linux.createEventfd()];
      let taken = 0;
      const bells = rungs.map((rung, index) => {
        const bell = new EventfdBell(linux.createEventfd(), linux.duplicateFd(rung), linux.unixPair()[0]);
        bell.listen({
          bell() {
            const other = rungs[1 - index];
            linux.setNonBlocking(other, false);
            if (linux.drainEventfd(other) > 0) taken++;
          },
          gone(reason) { throw reason; },
        });
        return bell;
      });
      for (const rung of rungs) linux.ringEventfd(rung);
      await new Promise((resolve) => setTimeout(resolve, 50));
      for (const bell of bells) bell.close();
      console.log(taken);`;
    const child = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      encoding: "utf8",
      timeout: 10_000,
    });
    expect(child.stderr).toBe("");
    expect(child.signal).toBeNull();
    expect(Number(child.stdout)).toBe(1);
  });

  it("is closed in the middle of it all, and leaves no wait behind", async () => {
    for (let round = 0; round < 1000; round++) {
      const { bell, rung, socket, heard } = doorbell();
      if (round % 2 === 0) ringEventfd(rung);
      bell.close();
      if (round % 3 === 0) ringEventfd(rung);
      closeFd(socket);
      if (round % 20 === 0) await setTimeout(1);
      expect(heard).toEqual({ bells: 0, gone: [] });
    }
    // More waits than the kernel keeps for one thread.
    const fd = createEventfd();
    expect(new AsyncPoll(fd, POLLOUT).submit(fd)).toBe(0);
    closeFd(fd);
  });
});
