// The commands: what there is to type, and what is loaded when it is typed. One function for each.

import { Argument, type Command, Option } from "commander";
import { capture, events, kill, livePolicies, ps, publish, top, unpublish } from "./admin-declarations.ts";
import { cat } from "./cat-declarations.ts";
import { LOG_LEVELS } from "./log-levels.ts";
import { BOUNDS, time, whole } from "./numbers.ts";
import { RINGWAY } from "./place.ts";
import type { Signals } from "./signals.ts";
import { command } from "./usage.ts";

/** Adds one command to the program. Its action loads what does the work, and hands the exit code to `ended`. */
type Declaration = (program: Command, signals: Signals, ended: (code: number) => void) => void;

export const DECLARATIONS: readonly Declaration[] = [
  run,
  monitor,
  vm,
  policy,
  ps,
  top,
  kill,
  publish,
  unpublish,
  events,
  capture,
  logs,
  inspect,
  cat,
  demo,
  bench,
  conformance,
  completion,
];

/** What the environment of a command that serves guests may say (docs/monitor.md). */
const TRACING = `
Environment, for whoever looks for a mistake in a guest:
  RINGWAY_TRACE=streams,bells  a log line for each state change of a stream, each ring and each waking
  RINGWAY_DEBUG=invariants     the monitor checks its own books as it goes; a guest whose books are wrong is ended`;

function run(program: Command, signals: Signals, ended: (code: number) => void): void {
  command(
    program,
    "run",
    "run a program that knows nothing of Ringway, with what a policy allows (docs/run.md)",
  )
    .usage("[options] -- COMMAND [ARGS...]")
    .argument("<command...>", "the program, as it is found inside")
    .option("--policy <file>", "what the program may do (docs/policy.md); without it, nothing")
    .option(
      "--attach <socket>",
      "use the network of another monitor, which listens there; --policy has the folders; not with --audit or --learn",
    )
    .addOption(
      new Option(
        "--files <how>",
        "the policy's folders: bound, or all access by the monitor, judged and audited",
      )
        .choices(["bind", "mount"])
        .default("bind"),
    )
    .option(
      "--cwd <path>",
      "where the program starts (default: the folder that you are in, if it is there inside)",
    )
    .option("--env <name[=value]>", "a variable for the program; may be given several times", repeated, [])
    .option("--user <user>", "who the program is: a name, UID or UID:GID (default: you)")
    .option(
      "--publish <what>",
      "ports the program listens on that are the host's, too: auto, off, or [HOSTADDR:]HOSTPORT:PORT; may be given " +
        "several times (default: auto, where the policy has listen rules)",
      repeated,
      [],
    )
    .option("--learn <file>", "write what was refused to this file, as a policy")
    .option("--quiet", "say nothing of what is refused")
    .option("--agent <file>", "the program ringway-agent (default: that of $RINGWAY_AGENT, or of PATH)")
    .option("--audit <file>", "append audit lines to this file")
    .addOption(
      new Option("--log-level <level>", "logs are JSON lines on stderr").choices(LOG_LEVELS).default("error"),
    )
    .addHelpText(
      "after",
      "\nExit codes: the program's, or 128 and the number of its signal; 125 ringway failed, 126 and 127 the program " +
        "cannot be started, 2 wrong usage.",
    )
    .action(async (words, options) => {
      const { runRun } = await import("./commands/run.ts");
      ended(await runRun(words, options, signals));
    });
}

function monitor(program: Command, signals: Signals, ended: (code: number) => void): void {
  command(program, "monitor", "serve guests: the host's side")
    .option("--policy <file>", "what guests may do (docs/policy.md); SIGHUP reads it again")
    .option(
      "--config <file>",
      "guests, VMs and the other options in a file, ringway.yaml (docs/monitor.md), which SIGHUP reads again, too; " +
        "what is typed stands above it",
    )
    .option(
      "--check",
      "only say what is wrong with the file of --config and with the policies, as policy check",
    )
    .option(
      "--listen <socket>",
      "path of the Unix socket on which processes attach; NAME=SOCKET[,policy=FILE][,label=KEY=VALUE] for those of " +
        "one guest, with a name, and a policy of its own; may be given several times",
      repeated,
    )
    .option(
      "--vm <name:memory=file,doorbell=socket>",
      "serve a virtual machine (docs/vm.md), size=64M where its memory is to be made, policy=FILE and " +
        "label=KEY=VALUE as above; may be given several times (default: the policy's vms)",
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
    .option(
      "--learn <file>",
      "with --audit: allow what no rule of the policy denies, and write what guests ask for to this file, as a policy",
    )
    .option("--max-guests <n>", "guests at once (default: 256)", whole(BOUNDS.maxGuests))
    .option("--audit <file>", "append audit lines to this file, not to stderr; SIGHUP opens it anew")
    .option(
      "--flows <place>",
      "append a JSON line for each stream that has ended to this file, or send it to unix:SOCKET; SIGHUP opens it anew",
    )
    .option(
      "--admin-http <address:port>",
      "with --admin: serve it over TCP as well, at this address of the host, for who has the token",
    )
    .option("--admin-token <file>", "the token of --admin-http, in a file that its owner alone may read")
    .option(
      "--admin [socket]",
      "serve the admin API on a Unix socket (docs/operate.md) (default: $XDG_RUNTIME_DIR/ringway/admin.sock)",
    )
    .addOption(
      new Option("--log-level <level>", "logs are JSON lines on stderr (default: info)").choices(LOG_LEVELS),
    )
    .addHelpText("after", `${TRACING}\n\nExit codes: 0 stopped by a signal, 1 failed, 2 wrong usage.`)
    .action(async ({ check, ...typed }) => {
      const { monitorOptions } = await import("./config/options.ts");
      const options = await monitorOptions(typed);
      if (check) {
        const { checkMonitor } = await import("./commands/monitor-check.ts");
        ended(await checkMonitor(options));
        return;
      }
      const { runMonitor } = await import("./commands/monitor.ts");
      ended(await runMonitor(options, () => monitorOptions(typed), signals));
    });
}

function vm(program: Command, signals: Signals, ended: (code: number) => void): void {
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
      `${TRACING}\n\nExit codes: the guest's, or QEMU's; 1 failed, 2 wrong usage, 124 no guest in time, 127 no such program.`,
    )
    .action(async (words, options) => {
      const { runVm } = await import("./commands/vm.ts");
      ended(await runVm(words, options, signals));
    });
}

function policy(program: Command, _: Signals, ended: (code: number) => void): void {
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
    .argument(
      "<target>",
      "HOST:PORT to connect to, ADDRESS:PORT to listen on, or the path of a Unix socket or a file",
    )
    .option("--write", "file: to write, not only to read")
    .option("--udp", "connect, listen: as for datagrams, and not for TCP")
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
  policyTest(policy, ended);
  policyLearn(policy, ended);
  livePolicies(policy, ended);
}

function policyTest(policy: Command, ended: (code: number) => void): void {
  command(policy, "test", "check that a policy decides as cases in a file expect (docs/monitor.md)")
    .argument("<file>", "the policy file; - is standard input")
    .argument("<cases>", "the cases, in YAML")
    .option("--config", "the file is a monitor's, ringway.yaml: each case may say which guest asks")
    .addHelpText(
      "after",
      "\nExit codes: 0 all are as expected, 1 one is not, or a file cannot be used, 2 wrong usage.",
    )
    .action(async (file, cases, options) => {
      const { testPolicy } = await import("./commands/policy-test.ts");
      ended(await testPolicy(file, cases, options));
    });
}

function policyLearn(policy: Command, ended: (code: number) => void): void {
  command(policy, "learn", "write a policy that allows what guests asked for, and nothing else")
    .option(
      "--from <file>",
      "audit lines, as --audit writes them; - is standard input, FILE.gz compressed; may be given several times",
      repeated,
    )
    .option("--guest <name>", "only what this guest asked for")
    .option(
      "--policy <file>",
      "the policy that was in force: it has the folders, sockets and hosts that were used",
    )
    .option("--follow", "go on with the lines that come, until a signal")
    .option("--output <file>", "write it there, whole each time, as it goes with --follow")
    .addHelpText("after", "\nExit codes: 0 written, 1 a file cannot be read or written, 2 wrong usage.")
    .action(async (options) => {
      const { learnPolicy } = await import("./commands/policy-learn.ts");
      ended(await learnPolicy(options));
    });
}

function logs(program: Command, _: Signals, ended: (code: number) => void): void {
  command(program, "logs", "print lines of a monitor's log and of its audit")
    .argument(
      "[file...]",
      "what --audit has written, or the log; .gz is compressed; without one, standard input",
    )
    .option(
      "--pretty",
      "for people: what has happened, a line each, with colours on a terminal (NO_COLOR: without)",
    )
    .option("--guest <name>", "of this guest alone, or of the processes at its socket")
    .option("--follow", "and what comes, until a signal")
    .addHelpText("after", "\nExit codes: 0 printed, 1 a file cannot be read, 2 wrong usage.")
    .action(async (files, options) => {
      const { logs } = await import("./commands/logs.ts");
      ended(await logs(files, options));
    });
}

function inspect(program: Command, _: Signals, ended: (code: number) => void): void {
  command(
    program,
    "inspect",
    "say what lies in a region, and what of it breaks the protocol (docs/inspect.md)",
  )
    .argument("<file|pid>", "a region's file or a dump of one; or a process, a guest's or a monitor's")
    .option(
      "--region <n>",
      "of a process that has several, which; without it, they are listed",
      whole(BOUNDS.region),
    )
    .option("--json", "print the report as JSON")
    .addHelpText("after", "\nExit codes: 0 sound, 1 a clause is broken, 2 wrong usage, or no region.")
    .action(async (target, options) => {
      const { inspect } = await import("./commands/inspect.ts");
      ended(inspect(target, options));
    });
}

function demo(program: Command, _: Signals, ended: (code: number) => void): void {
  command(program, "demo", "show everything at work on this machine, in under a minute").action(async () => {
    const { loadOptional } = await import("./commands/optional.ts");
    const { runDemo } = await loadOptional("demo");
    ended(await runDemo(RINGWAY));
  });
}

function bench(program: Command, _: Signals, ended: (code: number) => void): void {
  command(program, "bench", "measure: docs/performance.md explains the rows")
    .option("--vm", "in virtual machines: against QEMU's user networking and passt")
    .option("--run", "programs in ringway run: against pasta and slirp4netns")
    .option("--files", "a folder in virtual machines: against virtiofs")
    .option("--quick", "small sizes: ends within 45 s, with --vm within 90 s")
    .option("--only <row...>", "only these rows, or those that begin so")
    .option("--json <file>", "write all figures, each round included")
    .option("--markdown <file>", "put the tables between the markers of this file")
    .addHelpText(
      "after",
      "\nEnvironment: CC, the C compiler; RINGWAY_CACHE, where --vm keeps its images (default: ~/.cache/ringway).",
    )
    .action(async (options) => {
      const { loadOptional } = await import("./commands/optional.ts");
      const { runBench } = await loadOptional("bench");
      ended(await runBench({ ...options, ringway: RINGWAY }));
    });
}

function conformance(program: Command, _: Signals, ended: (code: number) => void): void {
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
    .addHelpText(
      "after",
      "\nExit codes: 0 nothing failed, 1 something did or nothing was checked, 2 wrong usage.",
    )
    .action(async (testee, options) => {
      const { runConformance } = await import("./commands/conformance.ts");
      ended(await runConformance(testee, options));
    });
}

const COMPLETION = `
In ~/.bashrc: eval "$(ringway completion bash)"
In ~/.zshrc, behind compinit: eval "$(ringway completion zsh)"
In ~/.config/fish/config.fish: ringway completion fish | source`;

function completion(program: Command, _: Signals, ended: (code: number) => void): void {
  command(program, "completion", "print what a shell completes commands and options by")
    .addArgument(new Argument("<shell>", "the shell").choices(["bash", "zsh", "fish"]))
    .addHelpText("after", COMPLETION)
    .action(async (shell: string) => {
      const { COMPLETIONS } = await import("./completion.ts");
      process.stdout.write(COMPLETIONS[shell]!(program));
      ended(0);
    });
}

/** For commander: an option that may be given several times. */
function repeated(text: string, earlier: readonly string[] = []): string[] {
  return [...earlier, text];
}
