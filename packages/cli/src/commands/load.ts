// A policy file for a command: its report is what people get to see.

import { type KeptPlace, loadPolicy, type Policy, PolicyError } from "@ringway/monitor";
import { Failure } from "../errors.ts";

/** `kept`: what no folder of the policy may hold, beside what the policy itself names. */
export async function loadForCommand(file: string, kept: readonly KeptPlace[] = []): Promise<Policy> {
  try {
    return await loadPolicy(file, kept);
  } catch (error) {
    if (error instanceof PolicyError) throw policyFailure(error);
    throw error;
  }
}

export function policyFailure(error: PolicyError): Failure {
  return new Failure(error.report(), { isReport: true, cause: error });
}
