// Loggers of pino's. It is some 30 files: they are loaded with the first logger, which whoever asks of a policy alone
// does without, and whoever brings a logger has already.

import { createRequire } from "node:module";
import { requireFunction, requireObject, requireText } from "@ringway/linux";
import type * as Pino from "pino";
import type { Logger } from "pino";

const require = createRequire(import.meta.url);
let module: typeof Pino | undefined;

function load(): typeof Pino.pino {
  module ??= require("pino") as typeof Pino;
  return module.pino;
}

/** One that says nothing. */
export function silentLogger(): Logger {
  return load()({ level: "silent" });
}

/** The monitor's lines: JSON, with the level's name, the time as ISO 8601 has it, and nothing of the process. */
export function createLogger(level: string, destination: { write(line: string): void }): Logger {
  requireText(level, "level");
  requireObject(destination, "destination", "an object with a method write(line)");
  requireFunction(destination.write, "destination.write");
  const pino = load();
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
}
