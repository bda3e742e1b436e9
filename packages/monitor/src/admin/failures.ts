// What a request that cannot be served is answered with: a status, a code for programs, and a sentence.

import { isArgumentError, SystemError } from "@ringway/linux";
import { VmMemoryError } from "../links/vm-memory.ts";
import { NoAnswerError } from "../loading/loader.ts";
import { BusyError } from "../monitor/busy-error.ts";
import { ClosedError } from "../monitor/closed-error.ts";
import { FollowersError } from "../monitor/follows.ts";
import { SteeringError } from "../monitor/steering-error.ts";
import { AuditError } from "../observe/audit.ts";
import { PolicyError } from "../policy/errors.ts";
import type { Problem } from "./shapes.ts";

export interface Failure {
  readonly status: number;
  readonly problem: Problem;
}

/** `isOurs`: nobody who asks can be blamed, and it is to be said in the log. */
export function failureOf(error: unknown): Failure & { readonly isOurs: boolean } {
  const {
    message,
    code = "ERR_RINGWAY_ADMIN",
    statusCode,
  } = error as Error & {
    readonly code?: string;
    /** fastify's own. */
    readonly statusCode?: number;
  };
  const as = (status: number, more: Partial<Problem> = {}) => ({
    status,
    problem: { error: message, code, ...more },
    isOurs: false,
  });
  if (error instanceof PolicyError) return as(422, { problems: error.problems });
  if (error instanceof AuditError) return as(422);
  if (error instanceof FollowersError) return as(429);
  if (error instanceof SteeringError) return as(code === "ERR_RINGWAY_NOT_THERE" ? 404 : 409);
  if (code === "EADDRINUSE") return as(409);
  if (error instanceof VmMemoryError || error instanceof SystemError) return as(422);
  // Of Node's own, which have the same codes, nobody who asks is to blame.
  if (isArgumentError(error)) return as(400);
  if (error instanceof NoAnswerError) return as(504);
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return as(statusCode);
  if (error instanceof ClosedError || error instanceof BusyError) return as(503);
  const problem = { error: "internal error: the log of the monitor says more", code: "ERR_RINGWAY_ADMIN" };
  return { status: 500, problem, isOurs: true };
}
