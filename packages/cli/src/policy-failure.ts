// What is wrong with a file in YAML, a policy or a monitor's, as people get to see it.

import type { PolicyError } from "@ringway/monitor";
import { Failure } from "./errors.ts";

export function policyFailure(error: PolicyError): Failure {
  return new Failure(error.report(), { isReport: true, cause: error });
}
