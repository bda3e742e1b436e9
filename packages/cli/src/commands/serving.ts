// What commands have in common that serve guests for long: stderr belongs to a LogWriter, so that whatever it is and
// does, a full disk, a pipe that nobody reads, nobody waits for it; and nothing that Node does by itself writes to it.

import { createLogger, LogWriter } from "@ringway/monitor";
import type { Logger } from "pino";
import { Exit, failureOf, UsageError } from "../errors.ts";

const STDERR = 2;

/** As bin/streams.js makes them. */
interface Divertible {
  divert?(handler: ((text: string) => void) | undefined): void;
}

/** Its thread is made with the first word, or with the log: before there is a guest (monitor, vm, run-monitor). */
export interface Stderr {
  /** Made when it is asked for first: pino takes as long to load as a command needs to begin. */
  readonly log: Logger;
  /** Lines for people. */
  say(lines: string): void;
}

/**
 * Resolves with the exit code, once what was written is out, or cannot be within two seconds. Throws UsageError.
 * `failed`: the exit code of an error that nothing else has caught.
 */
export async function serve(
  logLevel: string,
  work: (stderr: Stderr) => Promise<number>,
  failed: number = Exit.FAILED,
): Promise<number> {
  let writer: LogWriter | undefined;
  const stderr = (): LogWriter => {
    writer ??= LogWriter.onDescriptor(STDERR);
    return writer;
  };
  const say = (lines: string): void => stderr().write(lines);
  let logger: Logger | undefined;
  const given: Stderr = {
    get log() {
      logger ??= createLogger(logLevel, stderr());
      return logger;
    },
    say,
  };
  divert(say);
  process.on("uncaughtException", (error) => {
    given.log.fatal({ err: error }, "internal error: the monitor ends");
    process.exit(failed);
  });
  // A file that may not grow any more (RLIMIT_FSIZE): EFBIG, not the end.
  process.on("SIGXFSZ", () => {});
  // Node's own handler writes, and waits.
  process.removeAllListeners("warning");
  process.on("warning", ({ name, message }) => given.log.warn({ name }, message));
  try {
    return await work(given);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const { text, exitCode } = failureOf(error);
    say(text);
    return exitCode;
  } finally {
    await writer?.close();
    divert(undefined);
  }
}

/** What else is printed in this process goes there, too. */
function divert(handler: ((text: string) => void) | undefined): void {
  for (const stream of [process.stdout, process.stderr] as Divertible[]) stream.divert?.(handler);
}
