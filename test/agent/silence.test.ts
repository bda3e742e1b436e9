// A monitor that is attached and answers nothing: what the agent's log says of it, and when it says nothing.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { noCompiler, titled } from "../native/toolchain.ts";
import { heldForAll } from "../support/held.ts";
import { MonitorProgram } from "../support/processes.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";
import { type Agent, attachedAgent, BUILD_MS, buildAgent, curl, missing, Wire } from "./agent.ts";
import { Network, noNetworks } from "./networks.ts";

const reason = noCompiler ?? noNetworks ?? missing("dig") ?? missing("curl");

const SILENT = /the monitor has not answered for 8 s: what programs ask for waits\n/;
const AGAIN = /the monitor answers again\n/;
/** SOCKS5: hello, and a connection to 203.0.113.7:80. */
const HELLO_AND_WISH = Uint8Array.of(5, 1, 0, 5, 1, 0, 1, 203, 0, 113, 7, 0, 80);

describe.skipIf(reason !== undefined)(titled("a monitor that answers nothing", reason), () => {
  /** Stopped while programs ask: those of `tries` give up and try again, those of `names` ask for names alone. */
  let monitor: MonitorProgram;
  let tries: Agent;
  let names: Agent;
  let network: Network;
  /** Goes on while its agent is stopped. */
  let other: MonitorProgram;
  let stopped: Agent;

  const hold = heldForAll();
  beforeAll(async () => {
    const program = buildAgent();
    const folder = temporaryFolder("silence");
    const [path, otherPath] = [join(folder, "attach.sock"), join(folder, "other.sock")];
    monitor = hold(await MonitorProgram.start(path, "version: 1\n"));
    other = hold(await MonitorProgram.start(otherPath, "version: 1\n"));
    network = hold(await Network.make("ip link set lo up"));
    names = hold(await attachedAgent(program, path, ["--transparent"], network.under));
    tries = hold(await attachedAgent(program, path));
    stopped = hold(await attachedAgent(program, otherPath));
  }, BUILD_MS);

  const dig = (...args: readonly string[]): Promise<string> =>
    network.run("dig", "+tries=1", "+time=30", "@127.0.0.1", ...args);

  test("is told of, whoever gave up meanwhile, and once more when it answers; but not where the agent was stopped", async () => {
    expect(await dig("before.test")).toContain("REFUSED");
    other.kill("SIGSTOP");
    using wire = await Wire.open(stopped.socks);
    wire.socket.write(HELLO_AND_WISH);
    await wire.take(2);
    await until("the agent to have asked", () =>
      /\) S /.test(readFileSync(`/proc/${stopped.pid}/stat`, "utf8")),
    );
    process.kill(stopped.pid, "SIGSTOP");
    other.kill("SIGCONT");

    // What stands still would not end by itself, should this fail.
    let isOver = false;
    using _ = {
      [Symbol.dispose](): void {
        monitor.kill("SIGCONT");
        if (!isOver) process.kill(stopped.pid, "SIGCONT");
      },
    };

    monitor.kill("SIGSTOP");
    const proxy = ["--socks5", `127.0.0.1:${tries.socks}`, "--connect-timeout", "2"];
    const first = dig("name.test");
    const told = Promise.all([names.said(SILENT), tries.said(SILENT)]);
    let isTold = false;
    void told.finally(() => (isTold = true)).catch(() => {});
    while (!isTold) await curl(...proxy, "http://203.0.113.7/");
    await told;

    // It is a stranger to the first, whose time is over before the host answers.
    const second = dig("name.test");
    expect(await first).toMatch(/SERVFAIL[\s\S]*the host has not answered in time/);
    monitor.kill("SIGCONT");
    expect(await second).toContain("REFUSED");
    await Promise.all([names.said(AGAIN), tries.said(AGAIN)]);

    process.kill(stopped.pid, "SIGCONT");
    isOver = true;
    await wire.take(4);
    expect((await stopped.stop()).stderr).not.toMatch(SILENT);
  });
});
