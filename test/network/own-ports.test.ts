// What listens in the monitor's own process is no guest's, whatever the rules allow and by whatever address or name it
// is asked for.

import { close as closeInspector, url as inspectorUrl, open as openInspector } from "node:inspector";
import { networkInterfaces } from "node:os";
import { Errno } from "@ringway/control";
import { Guest } from "@ringway/guest";
import { beforeAll, describe, expect, test } from "vitest";
import { Declined } from "../support/declined.ts";
import { heldForAll } from "../support/held.ts";
import { startMonitor, type TestMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { type TestServer, tcpServer } from "../support/tcp.ts";
import { UdpGuest } from "../support/udp.ts";
import { until } from "../support/wait.ts";

const ALL = `version: 1
connect:
  - { id: everything, allow: ["0.0.0.0/0", "::/0"] }
  - { id: names, allow: ["*.test", localhost], resolvesTo: ["0.0.0.0/0", "::/0"] }
listen:
  - { id: any, allow: ["0.0.0.0/0", "::/0"], ports: [0, 1024-65535], protocols: [tcp, udp] }
`;

const others = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .filter(({ internal, scopeid }) => !internal && !scopeid)
  .map(({ address }) => address);

async function refusal(guest: RawGuest, host: string, port: number): Promise<Declined | string> {
  const outcome = await guest.connect(host, port).catch((error: unknown) => error);
  if (outcome instanceof Declined) return outcome;
  if (outcome instanceof Error) throw outcome;
  guest.finish((outcome as { pipe: Parameters<RawGuest["finish"]>[0] }).pipe);
  return "connected";
}

describe("a port of the monitor's own process", () => {
  let server: TestServer;
  let served: TestMonitor;
  let guest: UdpGuest;

  const hold = heldForAll();
  beforeAll(async () => {
    // On every address of this host, as an admin server may be.
    server = hold(await tcpServer(() => {}, "::"));
    served = hold(
      await startMonitor(ALL, {
        ownPorts: [server.port],
        lookup: async (name) => (name === "four.test" ? ["127.0.0.1"] : ["::1", "127.0.0.1"]),
      }),
    );
    guest = hold(await UdpGuest.attach(served.path));
  });

  test.each([
    ...["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "localhost", "four.test"],
    ...others,
  ])("is not reached as %s", async (host) => {
    const before = served.refusals.length;
    const refused = await refusal(guest, host, server.port);
    expect(refused).toMatchObject({ errno: Errno.EACCES, rule: "monitor" });
    const audited = await until("the audit line", () => served.refusals[before]);
    expect(audited).toMatchObject({ rule: "monitor", errno: Errno.EACCES });
    expect(server.sockets).toEqual([]);
  });

  test("is not reached as the unspecified address, which names no host", async () => {
    for (const host of ["0.0.0.0", "::", "::ffff:0.0.0.0"]) {
      expect(await refusal(guest, host, server.port)).toMatchObject({ rule: "address" });
    }
  });

  test.each(["127.0.0.1", "127.9.9.9", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"])(
    "is listened on by no guest at %s, over TCP or UDP",
    async (address) => {
      const monitors = { errno: Errno.EACCES, rule: "monitor" };
      await expect(guest.listen(address, server.port)).rejects.toMatchObject(monitors);
      await expect(guest.udpBind(address, server.port)).rejects.toMatchObject(monitors);
    },
  );

  test("is refused by Explain as well", async () => {
    await using sdk = await Guest.attach(served.path);
    expect(await sdk.explain({ connect: { host: "127.0.0.1", port: server.port } })).toMatchObject({
      allowed: false,
      rule: "monitor",
    });
    await sdk.close();
  });

  test("is the debugger's too, where that is and where it would be", async () => {
    expect(await refusal(guest, "127.0.0.1", process.debugPort)).toMatchObject({ rule: "monitor" });
    if (inspectorUrl() !== undefined) return;
    openInspector(0, "127.0.0.1");
    try {
      const port = Number(new URL(inspectorUrl()!).port);
      await using other = await startMonitor(ALL);
      using its = await RawGuest.attach(other.path);
      expect(await refusal(its, "127.0.0.1", port)).toMatchObject({ rule: "monitor" });
    } finally {
      closeInspector();
    }
  });

  test("may be reserved and released while guests are there; a guest's own listener stays reachable", async () => {
    await using late = await tcpServer();
    served.monitor.reservePort(late.port);
    expect(await refusal(guest, "127.0.0.1", late.port)).toMatchObject({ rule: "monitor" });
    const { port } = await guest.listen();
    expect(await refusal(guest, "127.0.0.1", port)).toBe("connected");
    served.monitor.releasePort(late.port);
    expect(await refusal(guest, "127.0.0.1", late.port)).toBe("connected");
  });
});
