import { requireFunction, requireObject, requireText } from "@ringway/linux";
import { type Logger, pino } from "pino";

/** The monitor's lines: JSON, with the level's name, the time as ISO 8601 has it, and nothing of the process. */
export function createLogger(level: string, destination: { write(line: string): void }): Logger {
  requireText(level, "level");
  requireObject(destination, "destination", "an object with a method write(line)");
  requireFunction(destination.write, "destination.write");
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
