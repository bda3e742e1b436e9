// A monitor that stops while a guest has its region and has not asked to attach: no epoch has begun that it could be
// attached to, whatever it writes (PROTOCOL.md ATT-2). The guest beside it gets what is under way.

import { GuestState, HostState, layout, loadWord, storeWord } from "@ringway/control";
import { expect, test } from "vitest";
import { startMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { tcpServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";

/** A word of the guest's, and the ring that has the monitor look at it. */
function say(guest: RawGuest, state: GuestState): void {
  storeWord(guest.region, layout.SB_GUEST_STATE, state);
  guest.ring();
}

test.each<[string, (guest: RawGuest) => void]>([
  ["says that it is attached", (guest) => say(guest, GuestState.ATTACHED)],
  ["says that it is detached", (guest) => say(guest, GuestState.DETACHED)],
  ["hangs up", (guest) => guest.vanish()],
])(
  "a guest that %s before it asked to attach, while the monitor stops, takes nothing from the others",
  async (_, act) => {
    await using server = await tcpServer();
    await using host = await startMonitor();
    const failures: Error[] = [];
    host.monitor.on("error", (error) => failures.push(error));
    using good = await RawGuest.attach(host.path);
    const { pipe } = await good.connect("127.0.0.1", server.port);
    await until("the connection", () => server.sockets.length === 1);
    using early = await RawGuest.connect(host.path);
    const stopping = host.monitor.close({ drainMs: 5000 });
    const states = [good, early].map((guest) => () => loadWord(guest.region, layout.SB_HOST_STATE));
    await until("both to be told", () => states.every((state) => state() === HostState.DRAINING));
    act(early);
    server.sockets[0]!.end("the answer");
    expect(await good.readAll(pipe)).toEqual({ bytes: Buffer.from("the answer"), how: "end" });
    good.finish(pipe);
    await stopping;
    expect(failures).toEqual([]);
    expect(host.lines.filter(({ level, msg }) => level >= 50 || msg === "guest attached").length).toBe(1);
  },
);
