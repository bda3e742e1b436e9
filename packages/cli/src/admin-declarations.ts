// The commands that look at a running monitor, and change it, by its admin API (docs/operate.md).

import { type Command, Option } from "commander";
import { SORTS } from "./admin/top-view.ts";
import { bytesOf, time, whole } from "./numbers.ts";
import type { Signals } from "./signals.ts";
import { command } from "./usage.ts";

type Ended = (code: number) => void;

const SOCKET = "the monitor's admin socket (default: $XDG_RUNTIME_DIR/ringway/admin.sock)";
/** Of a look at all guests: a monitor has other things to do. */
const INTERVAL_MS = [100, 3_600_000] as const;
const EXIT_CODES = "\nExit codes: 0 done, 1 failed, or no monitor is there, 2 wrong usage.";

const SNAP_BYTES = [1, 262_144] as const;

function ofMonitor(program: Command, name: string, description: string): Command {
  return command(program, name, description)
    .option("--admin <socket>", SOCKET)
    .addHelpText("after", EXIT_CODES);
}

export function ps(program: Command, _: Signals, ended: Ended): void {
  ofMonitor(program, "ps", "list the guests of a running monitor, or their streams")
    .argument(
      "[guest]",
      "this one alone, by its id or its name, or those of the attach socket with this name",
    )
    .option("--streams", "its streams, or those of all guests")
    .option("--json", "print JSON")
    .action(async (guest, options) => {
      const { listGuests } = await import("./commands/ps.ts");
      ended(await listGuests(guest, options));
    });
}

export function top(program: Command, _: Signals, ended: Ended): void {
  ofMonitor(program, "top", "show the guests of a running monitor and their rates, again and again")
    .addOption(new Option("--sort <what>", "what stands first").choices(Object.keys(SORTS)).default("rate"))
    .option("--interval-ms <n>", "how often to look, in milliseconds", whole(INTERVAL_MS), 1000)
    .option("--once", "look for as long as that, print one table, and end")
    .action(async (options) => {
      const { top } = await import("./commands/top.ts");
      ended(await top(options));
    });
}

export function kill(program: Command, _: Signals, ended: Ended): void {
  ofMonitor(program, "kill", "end guests, or streams, of a running monitor")
    .argument(
      "<target...>",
      "a guest's id or name, that of an attach socket, or a stream's id, as ps has them",
    )
    .action(async (targets, options) => {
      const { kill } = await import("./commands/kill.ts");
      ended(await kill(targets, options));
    });
}

export function publish(program: Command, _: Signals, ended: Ended): void {
  ofMonitor(program, "publish", "lead a port of the host to a guest of a running monitor; list those that do")
    .argument("[host]", "[ADDRESS:]PORT of the host; 127.0.0.1 without an address")
    .argument("[guest]", "GUEST[:PORT]: its name, and what it listens on; the same port without one")
    .option("--json", "print JSON")
    .action(async (host, guest, options) => {
      const { publish } = await import("./commands/publish.ts");
      ended(await publish(host, guest, options));
    });
}

export function unpublish(program: Command, _: Signals, ended: Ended): void {
  ofMonitor(program, "unpublish", "take back ports that were published; open connections stay open")
    .argument("<host...>", "[ADDRESS:]PORT of the host")
    .action(async (hosts, options) => {
      const { unpublish } = await import("./commands/publish.ts");
      ended(await unpublish(hosts, options));
    });
}

export function events(program: Command, _: Signals, ended: Ended): void {
  const declared = [
    ["events", "list what has happened lately in a running monitor", undefined],
    ["refusals", "list what a running monitor has refused lately", ["refused"]],
  ] as const;
  for (const [name, description, kinds] of declared) {
    ofMonitor(program, name, description)
      .option("--follow", "and what happens from now on, until a signal")
      .option("--guest <name>", "of this guest alone, or of the processes at its socket")
      .option("--json", "print JSON lines")
      .action(async (options) => {
        const { listEvents } = await import("./commands/events.ts");
        ended(await listEvents(kinds, options));
      });
  }
}

export function capture(program: Command, _: Signals, ended: Ended): void {
  ofMonitor(
    program,
    "capture",
    "capture what guests of a running monitor and their peers send, until a signal",
  )
    .argument(
      "[match]",
      "of what was asked for, or the peer's address, with * for any text: '*.example.com:443'",
    )
    .option("-w, --write <file>", "packets as pcapng, for Wireshark and tshark; - is standard output")
    .option("--json", "JSON lines, with what was sent as base64; without --write on standard output")
    .option("--guest <name>", "of this guest alone, or of the processes at its socket")
    .addOption(new Option("--protocol <name>", "of this protocol alone").choices(["tcp", "udp", "unix"]))
    .option("--snaplen <bytes>", "of each packet or piece, keep so much", whole(SNAP_BYTES))
    .option("--rotate-size <size>", "begin another file, FILE-00002, when one has so much: 100M", bytesOf)
    .option("--rotate-time <time>", "begin another file after this time: 90s, 2m, 1h", time)
    .option("--pace", "where this is slow, let streams wait, and lose nothing")
    .action(async (match, options) => {
      const { capture } = await import("./commands/capture.ts");
      ended(await capture(match, options));
    });
}

/** Below `policy`. */
export function livePolicies(policy: Command, ended: Ended): void {
  ofMonitor(policy, "put", "put a policy in force in a running monitor, until SIGHUP reads its files again")
    .argument("<file>", "the policy; - is standard input")
    .option("--guest <name>", "for the guests of this name alone, which have their own from then on")
    .option("--cut", "end what is open and not allowed any more")
    .action(async (file, options) => {
      const { putPolicy } = await import("./commands/policy-live.ts");
      ended(await putPolicy(file, options));
    });
  command(policy, "diff", "say in what a policy differs from the one in force in a running monitor")
    .argument("<file>", "the policy; - is standard input")
    .option("--admin <socket>", SOCKET)
    .option("--guest <name>", "the one that the guests of this name have of their own")
    .addHelpText("after", "\nExit codes: 0 they say the same, 3 they differ, 1 it failed, 2 wrong usage.")
    .action(async (file, options) => {
      const { diffPolicy } = await import("./commands/policy-live.ts");
      ended(await diffPolicy(file, options));
    });
  ofMonitor(
    policy,
    "history",
    "list the policies that were put in force in a running monitor, the newest first",
  )
    .option("--json", "print JSON, with their texts")
    .action(async (options) => {
      const { policyHistory } = await import("./commands/policy-live.ts");
      ended(await policyHistory(options));
    });
}
