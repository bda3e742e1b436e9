// The command line as a function: arguments in, exit code out. Commands are loaded when they run, so that help and
// usage errors need neither koffi nor the policy's parser.

import { Command, CommanderError } from "commander";
import { DECLARATIONS } from "./declarations.ts";
import { Exit, failureOf, UsageError } from "./errors.ts";
import { version } from "./place.ts";
import { NO_SIGNALS, type Signals } from "./signals.ts";
import { standard } from "./standard.ts";
import { polish, seeHelp } from "./usage.ts";

const EXAMPLES = `
Examples:
  ringway policy init policy.yaml
  ringway policy check policy.yaml
  ringway policy explain policy.yaml connect example.com:443
  ringway run --policy policy.yaml -- curl https://example.com/
  ringway monitor --policy policy.yaml --listen /run/ringway.sock
  ringway cat -f channels -L :7001 -L :7002
  ringway vm --policy policy.yaml -- qemu-system-x86_64 -m 512 -nographic disk.img

Environment: RINGWAY_DEBUG=1 shows the stack where a command fails unexpectedly; others: see each command's help.

Exit codes: 0 done, 1 failed, 2 wrong usage; policy explain: 3 refused; policy diff: 3 differs; vm: the guest's or QEMU's;
run: the program's.`;

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

/** The commands, to be looked at: none is run. */
export function programOf(): Command {
  return build(NO_SIGNALS, () => {});
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

  for (const declare of DECLARATIONS) declare(program, signals, ended);
  return program;
}
