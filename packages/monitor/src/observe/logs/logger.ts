import { type Logger, pino } from "pino";

/** The monitor's lines: JSON, with the level's name, the time as ISO 8601 has it, and nothing of the process. */
export function createLogger(level: string, destination: { write(line: string): void }): Logger {
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
