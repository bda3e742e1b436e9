// A row of the VM benchmark: what is asked of vmload in each guest (native/bench/vmload.c), in turns.

import { type Measured, runInTurns, type TurnOptions, type TurnRowResult } from "../turns.ts";
import type { MediumName, VmRow } from "./rows.ts";

/** A guest that does what it is asked for. */
export type VmMedium = Measured<MediumName>;
export type VmRowResult = TurnRowResult<MediumName>;

export interface VmRunOptions extends TurnOptions {
  readonly ports: Readonly<Record<VmRow["server"], number>>;
  readonly onRound: (row: VmRow) => void;
}

/** Removes media that fail from `media`. */
export async function runVmRow(row: VmRow, media: VmMedium[], options: VmRunOptions): Promise<VmRowResult> {
  const line = (amount: number): string => `${row.command} ${amount} ${options.ports[row.server]}`;
  return await runInTurns(row, media, line, { ...options, onRound: () => options.onRound(row) });
}
