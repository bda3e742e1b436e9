// A policy file for a command: its report is what people get to see.

import { type KeptPlace, loadPolicy, type Policy, PolicyError } from "@ringway/monitor";
import { Failure } from "../errors.ts";

/** `kept`: what no folder of the policy may hold, beside what the policy itself names. */
export function loadForCommand(file: string, kept: readonly KeptPlace[] = []): Policy {
  try {
    return loadPolicy(file, kept);
  } catch (error) {
    if (error instanceof PolicyError) throw new Failure(error.report(), { isReport: true, cause: error });
    throw error;
  }
}
