// Room for streams: rings that shrink as the region fills, and calls that wait their turn.

import { once } from "node:events";
import { Errno, Protocol } from "@ringway/control";
import { Guest, type GuestSocket } from "@ringway/guest";
import { afterEach, describe, expect, it } from "vitest";
import { FakeHost, Port } from "./fake-host.ts";

const MiB = 1024 * 1024;
let host: FakeHost;
let guest: Guest;

async function attach(regionBytes: number, streams: number, roomTimeoutMs?: number): Promise<void> {
  host = new FakeHost(regionBytes, { streams, ringBytes: MiB });
  guest = await Guest.attach({ memory: host.memory, doorbell: host.bell }, { roomTimeoutMs });
}

afterEach(async () => {
  await guest.close();
});

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error) => error,
  );

function echoes(count: number): Promise<GuestSocket[]> {
  return Promise.all(Array.from({ length: count }, () => guest.echo()));
}

/** The host has no room for streams of these protocols. */
function refuseOpens(full: (protocol: number) => boolean): void {
  host.onOpen = (pipe, { protocol }, { requestId }) => {
    if (!full(protocol)) return false;
    host.refuse(pipe, requestId, Errno.EMFILE, "", "the host has no more");
    return true;
  };
}

describe("rings", () => {
  it("4,096 streams fit in 256 MiB, and the first have rings of full size", async () => {
    await attach(256 * MiB, 4096);
    expect(await echoes(4096)).toHaveLength(4096);
    const sizes = new Map<number, number>();
    for (let id = 1; id <= 4096; id++) {
      const { toHostBytes, toGuestBytes } = host.session.pipe(id)!.place;
      expect(toGuestBytes).toBe(toHostBytes);
      sizes.set(toHostBytes, (sizes.get(toHostBytes) ?? 0) + 1);
    }
    expect(host.session.pipe(1)!.place.toGuestBytes).toBe(256 * 1024);
    expect([...sizes.keys()]).toEqual([256 * 1024, 64 * 1024, 16 * 1024, 4 * 1024]);
    expect(host.session.freePages * 4096).toBeGreaterThan(32 * MiB);
  });

  it("are of full size again when the others have gone", async () => {
    await attach(16 * MiB, 4096);
    for (const socket of await echoes(600)) socket.resetAndDestroy();
    await expect.poll(() => host.session.openStreams).toBe(0);
    const [socket] = await echoes(1);
    const { pipe } = [...host.streams.values()][0]!;
    expect(pipe.place.toGuestBytes).toBe(256 * 1024);
    socket!.destroy();
  });
});

describe("a call for which there is no room", () => {
  it("waits its turn: none of 300 fails where 8 fit, in the order in which they came", async () => {
    await attach(16 * MiB, 8);
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 300 }, async (_, i) => {
        const socket = await guest.connect(Port.ECHO);
        order.push(i);
        expect(host.session.openStreams).toBeLessThanOrEqual(8);
        socket.end("x");
        await socket.toArray();
      }),
    );
    // Those that are let in together may be told in any order.
    for (const [at, i] of order.entries()) expect(Math.abs(at - i)).toBeLessThan(8);
  });

  it("fails with what the host said when nothing is given back for as long as the guest would wait", async () => {
    await attach(16 * MiB, 2, 100);
    const held = await echoes(2);
    const errors = await Promise.all([failure(guest.echo()), failure(guest.connect(Port.ECHO))]);
    for (const error of errors) expect(error).toMatchObject({ code: "EMFILE" });
    held[0]!.resetAndDestroy();
    await (await guest.echo()).destroy();
  });

  it("fails at once where it would wait for nobody, or is not to wait", async () => {
    await attach(16 * MiB, 0, 600_000);
    expect(await failure(guest.echo())).toMatchObject({ code: "EMFILE" });
    await guest.close();
    await attach(16 * MiB, 1, 0);
    await guest.echo();
    expect(await failure(guest.echo())).toMatchObject({ code: "EMFILE" });
  });

  it("ends with its signal, and with the guest", async () => {
    await attach(16 * MiB, 1);
    await guest.echo();
    const abort = new AbortController();
    const aborted = failure(guest.echo({ signal: abort.signal }));
    const waits = failure(guest.echo());
    setTimeout(() => abort.abort(), 20);
    expect(await aborted).toMatchObject({ code: "ABORT_ERR" });
    await guest.close();
    expect(await waits).toMatchObject({ code: "ERR_RINGWAY_DETACHED" });
  });

  it("keeps nobody waiting who lacks something else", async () => {
    await attach(16 * MiB, 64, 600_000);
    refuseOpens((protocol) => protocol === Protocol.FILE);
    await guest.echo();
    const opening = failure(guest.open("/f"));
    for (let i = 0; i < 20; i++) (await guest.connect(Port.ECHO)).destroy();
    await guest.close();
    expect(await opening).toMatchObject({ code: "ERR_RINGWAY_DETACHED" });
  });

  it("fails when nothing of what it lacks is given back, though others come and go", async () => {
    await attach(16 * MiB, 64, 150);
    refuseOpens((protocol) => protocol === Protocol.FILE);
    let waits = true;
    await guest.echo();
    const opening = failure(guest.open("/f")).finally(() => {
      waits = false;
    });
    while (waits) (await guest.echo()).destroy();
    expect(await opening).toMatchObject({ code: "EMFILE" });
  });

  it("has its turn as soon as what it lacks is given back, whoever else waits", async () => {
    await attach(16 * MiB, 64, 600_000);
    let full = false;
    refuseOpens((protocol) => protocol === Protocol.FILE || (protocol === Protocol.TCP_CONNECT && full));
    const held = [await guest.connect(Port.ECHO), await guest.connect(Port.ECHO)];
    full = true;
    const opening = failure(guest.open("/f"));
    const connecting = [guest.connect(Port.ECHO), guest.connect(Port.ECHO)];
    // They wait.
    await new Promise((resolve) => setTimeout(resolve, 10));
    full = false;
    held.pop()!.destroy();
    for (const each of connecting) (await each).destroy();
    await guest.close();
    expect(await opening).toMatchObject({ code: "ERR_RINGWAY_DETACHED" });
  });

  it("is served beside a server that waits for room for its accepts", async () => {
    await attach(16 * MiB, 4);
    const server = await guest.listen({ port: 0, acceptsAhead: 64 });
    await expect.poll(() => host.posted.length).toBe(3);
    const connecting = guest.connect(Port.ECHO);
    await new Promise((resolve) => void server.close(resolve));
    (await connecting).destroy();
  });

  it("is no failed accept of a server that closes and listens again at once", async () => {
    await attach(16 * MiB, 8);
    const server = await guest.listen({ port: 0, acceptsAhead: 64 });
    const failed: Error[] = [];
    server.on("acceptError", (error) => failed.push(error));
    for (let i = 0; i < 5; i++) {
      await expect.poll(() => host.posted.length, { interval: 2 }).toBe(7);
      server.close();
      server.listen({ port: 0 });
      await once(server, "listening");
    }
    await expect.poll(() => host.posted.length).toBe(7);
    expect(failed).toEqual([]);
  });
});
