// What may be wrong with --audit, in words that help.

import { resolve } from "node:path";
import type { SystemError } from "@ringway/linux";
import { AuditError } from "@ringway/monitor";
import { errorLine, Failure } from "../errors.ts";

/** The failure to report where `error` is about the audit file. */
export function auditFailure(error: unknown, file: string | undefined): Failure | undefined {
  if (error instanceof AuditError) return new Failure(`${error.message} (--audit FILE)`, { cause: error });
  const { name, code, path } = error as SystemError;
  if (name !== "SystemError" || file === undefined || path !== resolve(file)) return undefined;
  const advice = adviceFor(code);
  const detail = advice === undefined ? errorLine(error) : `${advice} (${code})`;
  return new Failure(`cannot open the audit file ${file}: ${detail}`, { cause: error });
}

function adviceFor(code: string): string | undefined {
  switch (code) {
    case "ENOENT":
      return "its folder does not exist; make it first";
    case "EACCES":
      return "this user may not write there";
    case "EISDIR":
      return "it is a folder";
    case "ENXIO":
      return "it is a fifo that nobody reads, or a socket";
    case "EROFS":
      return "its file system is read-only";
    case "ETIMEDOUT":
      return "its file system does not answer";
    default:
      return undefined;
  }
}
