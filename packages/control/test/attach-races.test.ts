// Attach, restart and reboot at any moment: whatever happens while the other side is in the middle of a call, both come
// together again in one epoch, nobody is blamed, and the control pipe works.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HostState, layout, loadWord, NewStream, Ping, Pong, StreamInfo } from "../src/index.ts";
import { attachedRegion, Region, recordingHandler } from "./helpers.ts";
import { atEveryAccess, runWithIntruder } from "./preempt.ts";

const SMALL = 320 * 1024;

type Act = (region: Region) => void;

const acts: Readonly<Record<string, Act>> = {
  "host looks": (region) => {
    region.host.checkGuest();
  },
  "host serves": (region) => {
    region.host.stepControl(recordingHandler(), 10);
  },
  "host restarts": (region) => {
    region.startHost();
  },
  "host leaves and another starts": (region) => {
    region.host.leave();
    region.startHost();
  },
  "guest looks": (region) => {
    if (region.guest.poll() === "lost") region.guest.attach();
  },
  "guest attaches": (region) => region.guest.attach(),
  "guest reboots": (region) => region.startGuest().attach(),
  "guest detaches": (region) => region.guest.detach(),
  "guest asks": (region) => {
    if (region.guest.poll() === "attached")
      region.guest.send(NewStream, { toHostBytes: 4096, toGuestBytes: 4096 });
  },
  "guest reads": (region) => {
    if (region.guest.poll() !== "attached") return;
    const reply = region.guest.nextReply();
    if (reply?.type !== StreamInfo.type) return;
    region.guest.openPipe(StreamInfo.decode(reply.payload)).toHost.advance(100);
  },
};
const hostActs = Object.keys(acts).filter((name) => name.startsWith("host"));
const guestActs = Object.keys(acts).filter((name) => name.startsWith("guest"));

/** Both sides look, as their bells make them, until nothing changes; then they must be in one epoch and talk. */
function comeTogether(region: Region, what: string): void {
  for (let i = 0; i < 6; i++) {
    region.host.checkGuest();
    if (region.guest.poll() === "lost") region.guest.attach();
  }
  const state = { what, guest: region.guest.state, host: region.host.state, attached: region.host.attached };
  expect(state).toEqual({ what, guest: "attached", host: HostState.READY, attached: true });
  expect(region.guest.epoch).toBe(region.host.epoch);
  expect(loadWord(region.memory, layout.SB_VIOLATION)).toBe(0);
  // Replies to requests of this epoch may still stand before it.
  while (region.guest.nextReply() !== undefined);
  const id = region.guest.send(Ping, { data: Uint8Array.of(42) });
  region.host.stepControl(recordingHandler(), 100);
  let reply = region.guest.nextReply();
  while (reply !== undefined && reply.requestId !== id) reply = region.guest.nextReply();
  expect([what, reply?.type]).toEqual([what, Pong.type]);
}

const starts: Readonly<Record<string, () => Region>> = {
  "a new region": () => new Region(SMALL),
  "an attach not yet seen": () => {
    const region = new Region(SMALL);
    region.guest.attach();
    return region;
  },
  "an answer not yet seen": () => {
    const region = new Region(SMALL);
    region.guest.attach();
    region.host.checkGuest();
    return region;
  },
  "an attached guest": () => attachedRegion(SMALL),
};

describe.each(Object.entries(starts))("from %s", (_, start) => {
  test.each(hostActs.flatMap((host) => guestActs.map((guest) => [host, guest] as const)))(
    "both come together when the %s and the %s at the same time",
    (host, guest) => {
      for (const [outer, inner] of [
        [host, guest],
        [guest, host],
      ] as const) {
        atEveryAccess(start, acts[outer]!, acts[inner]!, (region, at) =>
          comeTogether(region, `${inner} at access ${at} of ${outer}`),
        );
      }
    },
  );
});

test("one attach is one new epoch, whenever the guest looks for its answer", () => {
  const start = starts["an attach not yet seen"]!;
  const once = (region: Region): void => {
    const { epoch } = region.host;
    comeTogether(region, "one attach");
    // Two: the monitor's own start, and the guest's attach. A third would be an answer that the guest took for an old
    // one.
    expect([epoch <= 2, region.host.epoch]).toEqual([true, 2]);
  };
  atEveryAccess(start, acts["guest looks"]!, acts["host looks"]!, once);
  atEveryAccess(start, acts["host looks"]!, acts["guest looks"]!, once);
});

test("both come together after any sequence of such moments", () => {
  const name = fc.constantFrom(...Object.keys(acts));
  const moment = fc.oneof(
    fc.record({ act: name }),
    fc.record({ outer: fc.constantFrom(...hostActs), inner: fc.constantFrom(...guestActs), at: fc.nat(30) }),
    fc.record({ outer: fc.constantFrom(...guestActs), inner: fc.constantFrom(...hostActs), at: fc.nat(30) }),
  );
  fc.assert(
    fc.property(fc.array(moment, { maxLength: 25, size: "max" }), (moments) => {
      const region = new Region(SMALL);
      for (const each of moments) {
        if ("act" in each) acts[each.act]!(region);
        else
          runWithIntruder(
            () => acts[each.outer]!(region),
            () => acts[each.inner]!(region),
            each.at,
          );
      }
      comeTogether(region, JSON.stringify(moments));
    }),
    { numRuns: 400 },
  );
});
