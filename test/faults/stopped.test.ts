// A monitor that was stopped for a while (SIGSTOP, a suspended machine, a host that has no time for it): what has
// happened meanwhile counts before deadlines that are over meanwhile. Each has a monitor of its own, and they wait at
// the same time.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConnectRequest, Protocol } from "@ringway/control";
import { accept, closeFd } from "@ringway/linux";
import { describe, expect, test } from "vitest";
import { KiB, pattern } from "../support/bytes.ts";
import { LOOPBACK } from "../support/monitor.ts";
import { LOADED_MS, loadedInTurn, MonitorProgram, Program } from "../support/processes.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { clientPorts, howItEnds, readAll, silentServer, tcpServer } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";

/** An attach socket of its own. */
const place = (): string => join(temporaryFolder("stopped"), "attach.sock");

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test.concurrent("a connection that its peer has taken is no timeout, however late the monitor sees it", async () => {
  const path = place();
  const policy = `${LOOPBACK}timeouts: { connectMs: 3000 }\n`;
  using monitor = await MonitorProgram.start(path, policy, { options: { busyPollUs: 0 } });
  using guest = await RawGuest.attach(path);
  using server = silentServer();
  const pipe = await guest.newStream(4 * KiB);
  const body = ConnectRequest.encode({ host: "127.0.0.1", port: server.port, timeoutMs: 0 });
  const startMs = performance.now();
  guest.sendOpen(pipe, Protocol.TCP_CONNECT, body);
  await until("the connect", () => clientPorts(server.port).some((port) => !server.fillers.has(port)));
  monitor.child.kill("SIGSTOP");
  // There is room now, and the monitor's kernel tries again, a second or some after the first time.
  server.giveWay();
  await until(
    "the monitor's connection",
    () => {
      const accepted = accept(server.fd);
      if (typeof accepted === "number") return false;
      const ours = !server.fillers.has(accepted.peer.port);
      closeFd(accepted.fd);
      return ours;
    },
    8000,
  );
  // Past the time limit of the connect.
  await sleep(startMs + 3100 - performance.now());
  monitor.child.kill("SIGCONT");
  await guest.opened(pipe);
});

test.concurrent("what a guest ended before it left reaches a peer that has read meanwhile", async () => {
  const path = place();
  const options = { busyPollUs: 0, lingerMs: 3000 };
  using monitor = await MonitorProgram.start(path, LOOPBACK, { options });
  using guest = await RawGuest.attach(path);
  await using server = await tcpServer((socket) => socket.pause());
  const { pipe } = await guest.connect("127.0.0.1", server.port, { ringBytes: 64 * KiB });
  // This one it does not end: it is reset as soon as the monitor sees that the guest left.
  await using other = await tcpServer();
  await guest.connect("127.0.0.1", other.port);
  const left = howItEnds(await until("the other peer", () => other.sockets[0]), 60_000);
  const peer = await until("the peer", () => server.sockets[0]);
  // As much as the kernel takes, and then a ring full, and the end.
  const chunk = pattern(16 * KiB);
  let sent = 0;
  for (let stuckMs = 0; stuckMs < 200 || pipe.toHost.writable() > 0; ) {
    const room = Math.min(pipe.toHost.writable(), chunk.length);
    if (room === 0) {
      await sleep(20);
      stuckMs += 20;
      continue;
    }
    stuckMs = 0;
    await guest.write(pipe, chunk.subarray(0, room));
    sent += room;
  }
  guest.end(pipe);
  guest.vanish();
  expect(await left).toBe("ECONNRESET");
  monitor.child.kill("SIGSTOP");
  let got = 0;
  peer.on("data", (bytes) => {
    got += bytes.length;
  });
  const all = readAll(peer);
  all.catch(() => {});
  // Past the time that it may linger.
  await sleep(3100);
  monitor.child.kill("SIGCONT");
  await all;
  expect(got).toBe(sent);
});

describe("a monitor that stands still while it waits for its own threads, longer than it would wait", {
  concurrent: true,
}, () => {
  const fixture = fileURLToPath(new URL("../fixtures/stops-itself.mjs", import.meta.url));

  async function standsStill(listen: string, what: string, ms: number): Promise<string> {
    using program = await loadedInTurn(async () => {
      const loading = new Program(process.execPath, [fixture, listen, what]);
      await loading.line("stopping", LOADED_MS);
      return loading;
    });
    await sleep(ms);
    program.child.kill("SIGCONT");
    await program.succeeds(20_000);
    return program.lines.slice(1).join("\n");
  }

  test("takes the policy that its loader has read", async () => {
    expect(await standsStill(place(), "reload", 5600)).toBe("done");
  });

  test("removes its socket at the end", async () => {
    const path = place();
    expect(await standsStill(path, "close", 5600)).toBe("done");
    expect(existsSync(path)).toBe(false);
  });

  test("closes in order once its reactor has stopped", async () => {
    expect(await standsStill("", "close", 3600)).toBe("done");
  });
});
