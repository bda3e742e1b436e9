// The command line: what there is to type, and what each way of typing it wrongly is answered with. Commands are loaded
// when they run, so that help and usage errors need neither koffi nor the policy's parser.

import { readFileSync } from "node:fs";
import { Argument, Command, CommanderError, Option } from "commander";
import { Exit, failureOf, UsageError } from "./errors.ts";
import { BOUNDS, time, whole } from "./numbers.ts";
import { NO_SIGNALS, type Signals } from "./signals.ts";
import { standard } from "./standard.ts";

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];
const EXAMPLES = `
Examples:
  ringway demo
  ringway policy init policy.yaml
  ringway policy check policy.yaml
  ringway policy explain policy.yaml connect example.com:443
  ringway monitor --policy policy.yaml --listen /run/ringway.sock
  ringway vm --policy policy.yaml -- qemu-system-x86_64 -m 512 -nographic disk.img

Exit codes: 0 done, 1 failed, 2 wrong usage; policy explain: 3 refused; vm: the guest's or QEMU's.`;

/** Runs one command; resolves with its exit code and throws nothing. */
export async function run(args: readonly string[], signals: Signals = NO_SIGNALS): Promise<number> {
  let code: number = Exit.OK;
  const program = build(signals, (result) => {
    code = result;
  });
  let running = program;
  program.hook("preAction", (_, command) => {
    running = command;
    standard("stdout");
    standard("stderr");
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? Exit.OK : Exit.USAGE;
    return report(error, running);
  }
}

function report(error: unknown, running: Command): number {
  const { text, exitCode } = failureOf(error);
  standard("stderr").write(error instanceof UsageError ? text + seeHelp(running) : text);
  return exitCode;
}

function build(signals: Signals, ended: (code: number) => void): Command {
  const program = new Command("ringway")
    .description("Gives a guest without a network card the network and the files that its policy allows.")
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .addHelpText("after", EXAMPLES)
    .exitOverride();
  polish(program);

  command(program, "monitor", "serve guests: the host's side")
    .option("--policy <file>", "what guests may do (docs/policy.md); SIGHUP reads it again")
    .option("--listen <socket>", "path of the Unix socket on which processes attach")
    .option(
      "--vm <name:memory=file,doorbell=socket>",
      "serve a virtual machine (docs/vm.md), size=64M where its memory is to be made; may be given several times (default: the policy's vms)",
      repeated,
    )
    .option(
      "--busy-poll-us <n>",
      "how long to look for work before sleeping, in microseconds (default: 50)",
      whole(BOUNDS.busyPollUs),
    )
    .option(
      "--drain-ms <n>",
      "how long transfers may go on after SIGTERM or SIGINT (default: 5000)",
      whole(BOUNDS.drainMs),
    )
    .option(
      "--name-server <address>",
      "ask this name server, address or address:port; may be given several times (default: those of resolv.conf)",
      repeated,
    )
    .option("--max-guests <n>", "guests at once (default: 256)", whole(BOUNDS.maxGuests))
    .option("--audit <file>", "append audit lines to this file, not to stderr; SIGHUP opens it anew")
    .addOption(
      new Option("--log-level <level>", "logs are JSON lines on stderr").choices(LOG_LEVELS).default("info"),
    )
    .action(async (options) => {
      if (options.policy === undefined) throw new UsageError("expected --policy FILE: what guests may do");
      const { runMonitor } = await import("./commands/monitor.ts");
      const { parseVmOption } = await import("./vm/vm-option.ts");
      const vms = ((options.vm ?? []) as string[]).map((text) => {
        const parsed = parseVmOption(text);
        if (typeof parsed === "string") throw new UsageError(`--vm: ${parsed}`);
        return parsed;
      });
      ended(await runMonitor({ ...options, vms, nameServers: options.nameServer }, signals));
    });

  command(program, "vm", "run a virtual machine under QEMU, and serve it (docs/vm.md)")
    .usage("[options] -- qemu-system-x86_64 [ARGS...]")
    .argument("<command...>", "QEMU, or a program that passes its arguments on to it")
    .option("--policy <file>", "what the guest may do (docs/policy.md); without it, nothing")
    .option("--memory <size>", "of the region, such as 64M: a power of two", "64M")
    .addOption(new Option("--accel <name>", "how QEMU runs the guest (default: tcg)").choices(["tcg", "kvm"]))
    .option(
      "--grace-ms <n>",
      "how long QEMU may go on after the guest's exit, or after a signal",
      whole(BOUNDS.graceMs),
      5000,
    )
    .option(
      "--boot-timeout <time>",
      "end the run where no guest attaches within this time: 90s, 2m (default: none)",
      time,
    )
    .option("--audit <file>", "append audit lines to this file, not to stderr")
    .addOption(
      new Option("--log-level <level>", "logs are JSON lines on stderr").choices(LOG_LEVELS).default("warn"),
    )
    .addHelpText(
      "after",
      "\nExit codes: the guest's, or QEMU's; 1 failed, 2 wrong usage, 124 no guest in time, 127 no such program.",
    )
    .action(async (words, options) => {
      const { runVm } = await import("./commands/vm.ts");
      ended(await runVm(words, options, signals));
    });

  const policy = command(program, "policy", "write, check and ask policy files");
  command(policy, "init", "write a policy to begin with: it allows nothing, and has examples in comments")
    .argument("[file]", "where to; never over a file that is there. - is standard output", "policy.yaml")
    .action(async (file) => {
      const { initPolicy } = await import("./commands/policy-init.ts");
      ended(initPolicy(file));
    });
  command(policy, "check", "report every mistake of policy files, with its line and column")
    .argument("<file...>", "the policy files; - is standard input")
    .addHelpText("after", "\nExit codes: 0 all are good, 1 one is not, 2 wrong usage.")
    .action(async (files) => {
      const { checkPolicies } = await import("./commands/policy.ts");
      ended(await checkPolicies(files));
    });
  command(policy, "explain", "say what a policy decides, by which rule, and why")
    .argument("<file>", "the policy file; - is standard input")
    .addArgument(new Argument("<what>", "what a guest would do").choices(["connect", "listen", "file"]))
    .argument("<target>", "HOST:PORT to connect to, ADDRESS:PORT to listen on, or an absolute path")
    .option("--write", "file: to write, not only to read")
    .option("--resolve", "connect: resolve the name here and now, and judge its addresses")
    .option(
      "--name-server <address>",
      "with --resolve: ask this name server, as the monitor's option of that name; may be given several times",
      repeated,
    )
    .option(
      "--address <address...>",
      "connect: judge these addresses, as if the name resolved to them; may be given several times",
    )
    .option("--json", "print the decision as JSON")
    .addHelpText("after", "\nExit codes: 0 allowed, 3 refused, 1 the policy cannot be used, 2 wrong usage.")
    .action(async (file, what, target, options) => {
      const { explainPolicy } = await import("./commands/policy.ts");
      ended(await explainPolicy(file, what, target, options));
    });

  command(program, "demo", "show everything at work on this machine, in under a minute").action(async () => {
    const { loadOptional, RINGWAY } = await import("./commands/optional.ts");
    const { runDemo } = await loadOptional("demo");
    ended(await runDemo(RINGWAY));
  });

  command(program, "bench", "measure: docs/performance.md explains the rows")
    .option("--vm", "in virtual machines: against QEMU's user networking and passt")
    .option("--quick", "small sizes: ends within 45 s, with --vm within 90 s")
    .option("--only <row...>", "only these rows, or those that begin so")
    .option("--json <file>", "write all figures, each round included")
    .option("--markdown <file>", "put the tables between the markers of this file")
    .action(async (options) => {
      const { loadOptional, RINGWAY } = await import("./commands/optional.ts");
      const { runBench } = await loadOptional("bench");
      ended(await runBench({ ...options, ringway: RINGWAY }));
    });

  command(program, "conformance", "check a guest against the protocol: docs/conformance.md")
    .usage("[options] -- COMMAND [ARGS...]")
    .argument("[command...]", "a program that speaks the testee contract; without one, ringway's own guest")
    .option("--only <text...>", "only cases with this in their name, or these clauses")
    .option("--json", "print the report as JSON")
    .option(
      "--timeout-ms <n>",
      "how long the testee may take for one answer (default: 5000)",
      whole(BOUNDS.timeoutMs),
    )
    .addHelpText("after", "\nExit codes: 0 nothing failed, 1 something did, 2 wrong usage.")
    .action(async (testee, options) => {
      const { runConformance } = await import("./commands/conformance.ts");
      ended(await runConformance(testee, options));
    });
  return program;
}

function command(parent: Command, name: string, description: string): Command {
  const made = parent.command(name).description(description).helpOption("-h, --help", "print this help");
  polish(made);
  return made;
}

/** Errors as lines of ours: the program's name in front, what was meant behind, and where to read on. */
function polish(made: Command): void {
  made.showSuggestionAfterError(true);
  made.configureOutput({
    writeOut: (text) => standard("stdout").write(text),
    writeErr: (text) => standard("stderr").write(text),
    outputError: (text, write) => {
      const lines = suggested(text)
        .trim()
        .replace(/^error: /, "")
        .split("\n");
      write(`ringway: ${lines.join(" ")}\n${seeHelp(made)}`);
    },
  });
}

/** A choice that was meant, which commander tells of options and commands alone. */
function suggested(text: string): string {
  const match = /'([^']*)' is invalid for argument '[^']*'. Allowed choices are (.*)\.\s*$/.exec(text);
  if (match === null) return text;
  const [, typed, choices] = match;
  const meant = choices!.split(", ").find((choice) => isNear(choice, typed!));
  return meant === undefined ? text : `${text.trim()}\n(Did you mean ${meant}?)`;
}

/** One letter too many, too few or another, or two that changed places. */
function isNear(word: string, typed: string): boolean {
  const begin = [...word].findIndex((letter, i) => letter !== typed[i]);
  if (begin < 0) return typed.length === word.length + 1;
  const [rest, other] = [word.slice(begin), typed.slice(begin)];
  const swapped = other.length > 1 ? other[1]! + other[0]! + other.slice(2) : other;
  return (
    rest.slice(1) === other.slice(1) || rest.slice(1) === other || rest === other.slice(1) || rest === swapped
  );
}

function seeHelp(command: Command): string {
  return `Try '${fullName(command)} --help'.\n`;
}

function fullName(made: Command): string {
  return made.parent === null ? made.name() : `${fullName(made.parent)} ${made.name()}`;
}

/** For commander: an option that may be given several times. */
function repeated(text: string, earlier: readonly string[] = []): string[] {
  return [...earlier, text];
}

function version(): string {
  const file = new URL("../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
