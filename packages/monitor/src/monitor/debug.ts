// Switches for whoever looks for a mistake: in the environment, not in the options, since no program is to rely on
// them.

import { type TraceWord, traceWords } from "../observe/trace.ts";

interface DebugSettings {
  readonly trace: readonly TraceWord[];
  readonly invariants: boolean;
}

/** What RINGWAY_TRACE and RINGWAY_DEBUG ask of the reactor's thread. Throws TraceError. */
export function debugSettings(environment: NodeJS.ProcessEnv = process.env): DebugSettings {
  const debug = (environment.RINGWAY_DEBUG ?? "").split(",");
  return { trace: traceWords(environment.RINGWAY_TRACE), invariants: debug.includes("invariants") };
}
