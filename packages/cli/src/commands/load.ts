// A policy file for a command: its report is what people get to see.

import { loadPolicy, type Policy, PolicyError } from "@ringway/monitor";
import { Failure } from "../errors.ts";

export function loadForCommand(file: string): Policy {
  try {
    return loadPolicy(file);
  } catch (error) {
    if (error instanceof PolicyError) throw new Failure(error.report(), { isReport: true, cause: error });
    throw error;
  }
}
