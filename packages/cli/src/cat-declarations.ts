// `ringway cat`: what there is to type.

import { type Command, Option } from "commander";
import type { TypedCat } from "./cat/typed.ts";
import { FORWARDS, INPUTS, PAIRS, SLOW } from "./cat/words.ts";
import { BOUNDS, percent, range, time, whole } from "./numbers.ts";
import type { Signals } from "./signals.ts";
import { command } from "./usage.ts";

export function cat(program: Command, _: Signals, ended: (code: number) => void): void {
  const made = command(program, "cat", "connect, listen and forward, with many peers at once (docs/cat.md)")
    .usage("[options] [TARGET...]")
    .argument("[targets...]", "[SOURCE=]HOST:PORT[xN], or the path of a Unix socket; tls: in front for TLS");
  places(made);
  datagrams(made);
  contents(made);
  forwarding(made);
  network(made);
  secured(made);
  made
    .addHelpText(
      "after",
      "\nADDR is a host, * (any, both families), or nothing (each local address); port 0 is any." +
        "\n\nExit codes: 0 done, 1 something failed, 2 wrong usage, 124 --timeout is over.",
    )
    .action(async (words: string[], options: TypedCat) => {
      const { cat } = await import("./commands/cat.ts");
      ended(await cat(words, options));
    });
}

function places(made: Command): void {
  made
    .option(
      "-l, --listen-once <ADDR:PORT>",
      "listen for one client, or as many as -m says; may be given several times",
      repeated,
      [],
    )
    .option("-L, --listen <ADDR:PORT>", "listen for ever; may be given several times", repeated, [])
    .option(
      "-m, --max-clients <n>",
      "of each -l in all, of each -L at once (default: 1, 1000)",
      whole(BOUNDS.clients),
    )
    .option("--attach <socket>", "use the network of the guest that a monitor serves there")
    .option("-4, --ipv4", "IPv4 alone")
    .option("-6, --ipv6", "IPv6 alone")
    .option("-r, --reconnect", "connect again where a connection was closed")
    .option("-R, --retry", "connect again where connecting failed, or a connection broke")
    .option("-z, --probe", "only say whether each target connects");
}

function datagrams(made: Command): void {
  made
    .option("-u, --udp", "datagrams: each remote that is heard from is a peer")
    .option("-b, --broadcast", "with -u: the target is a broadcast address")
    .option("--mc", "with -u: the target is a multicast group, which is joined")
    .option("--mc-no-loop", "with --mc: not to this machine itself")
    .option("--ttl <n>", "with -u: through how many routers", whole(BOUNDS.ttl));
}

function contents(made: Command): void {
  made
    .addOption(
      new Option(
        "-i, --input <what>",
        "what is sent: stdin (of a terminal, each key), lines of it, nothing, what comes back to who sent it, or bytes " +
          "made up (default: stdin, with -f and -e none)",
      ).choices(INPUTS),
    )
    .option(
      "-o, --output <where>",
      "of what comes: stdout, hex, none, or a file (default: stdout, with -f and -e none)",
    )
    .option("--label", "the peer in front of each chunk of output")
    .option("-N, --half-close", "tell peers when the input is over, and listen on")
    .option("--exit-after-input", "end when the input is over and sent")
    .option("-e, --exec <command>", "a program for each connection, by the shell")
    .option("--sizes <bytes>", "of -i random and fixed: 100, or 1-1450", range(BOUNDS.chunk[1]))
    .option("--ascii", "-i random and fixed: printable")
    .option("--seed <n>", "of what is random: the same again", whole(BOUNDS.seed));
}

function forwarding(made: Command): void {
  made
    .addOption(
      new Option(
        "-f, --forward <how>",
        "to each other: nothing, a hub (each to all others), channels (pairs), or lingering channels (who loses its " +
          "partner waits for another)",
      )
        .choices(FORWARDS)
        .default("none"),
    )
    .addOption(
      new Option(
        "--pair <whom>",
        "in channels: those of different ADDRs and TARGETs (apart), a new connection to a TARGET for each accepted one " +
          "(listen:connect), or any two (default: apart)",
      ).choices(PAIRS),
    )
    .addOption(
      new Option("--slow <what>", "a peer that does not read paces the others, or goes without")
        .choices(SLOW)
        .default("pace"),
    );
}

function network(made: Command): void {
  made
    .option("--idle <time>", "close a connection over which nothing went for so long", time)
    .option("--timeout <time>", "end after so long, with 124", time)
    .option(
      "--chunk <bytes>",
      "largest chunk that is passed on; with -u of the input (default: 1400)",
      whole(BOUNDS.chunk),
    )
    .option("--send-buffer <bytes>", "of the kernel, for each socket", whole(BOUNDS.buffer))
    .option("--receive-buffer <bytes>", "of the kernel, for each socket", whole(BOUNDS.buffer))
    .option("--send-delay <ms>", "of each chunk: 10, or 10-50", range(BOUNDS.delayMs[1]))
    .option("--receive-delay <ms>", "of each chunk: 10, or 10-50", range(BOUNDS.delayMs[1]))
    .option("--send-drop <percent>", "of chunks that are not sent", percent)
    .option("--receive-drop <percent>", "of chunks that are as if they had not come", percent)
    .option("--stats", "each second on stderr: totals, rates and round trips")
    .option("--json", "the same as JSON, a line each")
    .option("-v, --verbose", "a line on stderr for each connection");
}

function secured(made: Command): void {
  made
    .option("--tls", "TLS for all targets and all that is listened at")
    .option("--tls-pin <sha256>", "the SHA-256 of the server's certificate, whoever signed it")
    .option("--tls-ca <file>", "certificates that are trusted")
    .option("--tls-name <name>", "the server's, where it is not the target's")
    .option("--tls-cert <file>", "the certificate of what is listened at")
    .option("--tls-key <file>", "its key");
}

/** For commander: an option that may be given several times. */
function repeated(text: string, earlier: readonly string[] = []): string[] {
  return [...earlier, text];
}
