// The monitor as a program embeds it: policy in force, reload, refusals and their audit lines, events, disposal.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Args, ConnectRequest, Exit, Explain, GetArgs, Log, Protocol, Verdict } from "@ringway/control";
import { Guest } from "@ringway/guest";
import { Errno } from "@ringway/linux";
import { Monitor, PolicyError } from "@ringway/monitor";
import { describe, expect, test } from "vitest";
import { Declined } from "../support/declined.ts";
import { guestsAre, LOOPBACK, policyOf, startMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { echoServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";

const NOTHING = "version: 1\n";

describe("reload", () => {
  test("refuses what is asked from then on, and leaves what is open", async () => {
    await using server = await echoServer();
    await using host = await startMonitor();
    using guest = await RawGuest.attach(host.path);
    const { pipe } = await guest.connect("127.0.0.1", server.port);
    await host.monitor.reload(policyOf(NOTHING));
    await expect(guest.connect("127.0.0.1", server.port)).rejects.toMatchObject({ rule: "default" });
    await guest.write(pipe, Buffer.from("still open"));
    expect((await guest.readExactly(pipe, 10)).toString()).toBe("still open");
    await host.monitor.reload(policyOf(LOOPBACK));
    await guest.connect("127.0.0.1", server.port);
  });

  test("takes a file, and keeps the old policy where the file is bad", async () => {
    await using server = await echoServer();
    await using host = await startMonitor(NOTHING);
    using guest = await RawGuest.attach(host.path);
    const file = join(host.folder, "policy.yaml");
    writeFileSync(file, LOOPBACK);
    await host.monitor.reload(file);
    await guest.connect("127.0.0.1", server.port);
    writeFileSync(file, "version: 1\nconnect: [{ allow: 12 }]\n");
    await expect(host.monitor.reload(file)).rejects.toThrow(PolicyError);
    await guest.connect("127.0.0.1", server.port);
  });

  test("leaves a guest alone that has a policy of its own", async () => {
    await using server = await echoServer();
    await using host = await startMonitor(NOTHING);
    const { fd, name } = host.monitor.attach({ name: "own", policy: policyOf(LOOPBACK) });
    expect(name).toBe("own");
    using guest = await RawGuest.attach(fd);
    using common = await RawGuest.attach(host.path);
    await host.monitor.reload(policyOf(NOTHING));
    await guest.connect("127.0.0.1", server.port);
    await expect(common.connect("127.0.0.1", server.port)).rejects.toMatchObject({ rule: "default" });
  });

  test("changes the limits of guests that are attached", async () => {
    await using host = await startMonitor();
    using guest = await RawGuest.attach(host.path);
    await guest.echo(1);
    await host.monitor.reload(policyOf(`${LOOPBACK}limits: { streams: 1 }\n`));
    await until("the new limit", () =>
      guest.newStream(1).then(
        () => false,
        (error: unknown) => error instanceof Declined && error.errno === Errno.EMFILE,
      ),
    );
  });
});

describe("a refusal", () => {
  test("that the policy hides tells the guest nothing and the log everything", async () => {
    await using host = await startMonitor(
      `${NOTHING}refusals: hide\nconnect: [{ id: no, deny: 127.0.0.1 }]\n`,
    );
    using guest = await RawGuest.attach(host.path);
    await expect(guest.connect("127.0.0.1", 80)).rejects.toMatchObject({
      errno: Errno.EACCES,
      rule: "",
      reason: "",
    });
    await until("the audit line", () => host.lines.some(({ audit }) => audit === "refused"));
    const [line, ...others] = host.lines.filter(({ audit }) => audit === "refused");
    expect(line).toMatchObject({ guest: "guest-1", rule: "no", what: "127.0.0.1:80", errno: "EACCES" });
    expect(line!.msg).toContain('denied by rule "no"');
    expect(others).toEqual([]);
  });

  test("is one audit line each, however many come at once", async () => {
    await using host = await startMonitor(NOTHING);
    using guest = await RawGuest.attach(host.path);
    const ask = async (port: number): Promise<void> => {
      await guest.connect("127.0.0.1", port, { ringBytes: 1, waitMs: 10_000 }).catch((error: unknown) => {
        if (!(error instanceof Declined)) throw error;
      });
    };
    await Promise.all(Array.from({ length: 1000 }, (_, i) => ask(i + 1)));
    await until("1000 audit lines", () => host.refusals.length === 1000);
    const ports = new Set(host.lines.filter(({ audit }) => audit).map(({ what }) => what));
    expect(ports.size).toBe(1000);
    expect(host.monitor.counters().refusals).toBe(1000);
  });

  test("is foretold by Explain, which opens and logs nothing", async () => {
    await using host = await startMonitor();
    using guest = await RawGuest.attach(host.path);
    const ask = async (name: string, port: number): Promise<Verdict> => {
      const body = ConnectRequest.encode({ host: name, port, timeoutMs: 0 });
      const id = await guest.send(Explain, { protocol: Protocol.TCP_CONNECT, body });
      return Verdict.decode((await guest.reply(id)).payload);
    };
    expect(await ask("127.0.0.1", 80)).toMatchObject({ allowed: true, rule: "local" });
    expect(await ask("a.test", 80)).toMatchObject({ allowed: true, rule: "by-name" });
    expect(await ask("example.com", 80)).toMatchObject({ allowed: false, rule: "default" });
    expect(await ask("::ffff:127.0.0.1", 80)).toMatchObject({ allowed: true, rule: "local" });
    expect(host.refusals).toEqual([]);
  });
});

describe("Monitor", () => {
  test("tells of guests that come, attach, log, exit and go", async () => {
    await using host = await startMonitor(`${NOTHING}guest: { argv: [prog, -v], env: { MODE: test } }\n`);
    const seen: unknown[] = [];
    host.monitor.on("guest", ({ guest, pid }) => seen.push(["guest", guest, pid]));
    host.monitor.on("attached", ({ guest }) => seen.push(["attached", guest]));
    host.monitor.on("log", ({ guest, level, text }) => seen.push(["log", guest, level, text]));
    host.monitor.on("exit", ({ guest, code }) => seen.push(["exit", guest, code]));
    host.monitor.on("detached", ({ guest, reason }) => seen.push(["detached", guest, reason]));
    using guest = await RawGuest.attach(host.path);
    const args = Args.decode((await guest.reply(await guest.send(GetArgs, {}))).payload);
    expect(args).toEqual({ argv: ["prog", "-v"], env: ["MODE=test"] });
    await guest.send(Log, { level: 30, text: "two\nlines" });
    await guest.send(Exit, { code: 3 });
    guest.signal({ id: 0 } as never);
    guest.session.detach();
    await until("the guest to be gone", () => seen.length === 5);
    expect(seen).toEqual([
      ["guest", "guest-1", process.pid],
      ["attached", "guest-1"],
      ["log", "guest-1", 30, "two\nlines"],
      ["exit", "guest-1", 3],
      ["detached", "guest-1", "the guest detached"],
    ]);
    guest.vanish();
  });

  test("says why a guest with listeners is gone", async () => {
    await using host = await startMonitor();
    using guest = await RawGuest.attach(host.path);
    const { pipe } = await guest.listen();
    await guest.post(pipe, await guest.newStream(1), 1);
    guest.vanish();
    await until("the guest to be gone", () => host.gone.length === 1);
    expect(host.gone).toEqual([{ guest: "guest-1", reason: "the guest hung up" }]);
    expect(host.monitor.counters()).toMatchObject({ guests: 0, streams: 0 });
  });

  test("turns a guest away past maxGuests, and takes one when there is room", async () => {
    await using host = await startMonitor(NOTHING, { maxGuests: 2 });
    using first = await RawGuest.attach(host.path);
    using _second = await RawGuest.attach(host.path);
    await expect(RawGuest.attach(host.path)).rejects.toMatchObject({ errno: Errno.EMFILE });
    await expect(Guest.attach(host.path)).rejects.toMatchObject({ code: "EMFILE" });
    first.vanish();
    await guestsAre(host.monitor, 1);
    using _third = await RawGuest.attach(host.path);
  });

  test("cannot listen where somebody does, and replaces the socket of one that is gone", async () => {
    await using host = await startMonitor(NOTHING);
    const policy = policyOf(NOTHING);
    await expect(Monitor.start({ policy, listen: host.path })).rejects.toMatchObject({ code: "EADDRINUSE" });
    await expect(
      Monitor.start({ policy, listen: `${host.folder}/${"x".repeat(200)}` }),
    ).rejects.toMatchObject({
      code: "ENAMETOOLONG",
    });
    await host.monitor.close();
    await using again = await Monitor.start({ policy, listen: host.path });
    using _guest = await RawGuest.attach(host.path);
    await guestsAre(again, 1);
  });

  test("is closed by await using: its guests hang up, its socket is gone, and attach() throws", async () => {
    let kept: Monitor;
    let guest: RawGuest;
    {
      await using monitor = await Monitor.start({ policy: policyOf(NOTHING) });
      kept = monitor;
      guest = await RawGuest.attach(monitor.attach().fd);
    }
    await until("the hang-up", () => guest.hungUp());
    guest.vanish();
    expect(() => kept.attach()).toThrow("closed");
    await kept.close();
  });

  test("serves guests with and without a listening socket alike", async () => {
    await using server = await echoServer();
    await using monitor = await Monitor.start({ policy: policyOf(LOOPBACK) });
    const { fd } = monitor.attach();
    await using guest = await Guest.attach({ fd });
    const socket = await guest.connect(server.port, "127.0.0.1");
    const echoed = new Promise((resolve) => socket.once("data", (data) => resolve(String(data))));
    socket.write("hi");
    expect(await echoed).toBe("hi");
    socket.destroy();
    await guest.close();
    await guestsAre(monitor, 0);
  });
});
