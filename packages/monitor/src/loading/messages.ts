// What the loader's thread is asked, and what it answers. Plain data: it is structured-cloned, so errors travel as
// their parts.

import { SystemError, type UnixType } from "@ringway/linux";
import type { Roots } from "../disk/roots.ts";
import { NotARegionError, type OpenMemory, VmMemoryError } from "../links/vm-memory.ts";
import type { CompiledPolicy } from "../policy/compiled/compile.ts";
import { PolicyError, type PolicyProblem } from "../policy/errors.ts";
import type { Policy } from "../policy/types.ts";
import type { JudgedPolicy } from "./policy-file.ts";
import type { KeptPlace, RootProblem } from "./root-problems.ts";

export interface LoadedPolicy extends JudgedPolicy {
  readonly compiled: CompiledPolicy;
  /** Opened: whoever has the policy closes them. */
  readonly roots: Roots;
}

/** A socket that is listened on, and which file it is: another may have its path by the time that it is removed. */
export interface Listening {
  readonly fd: number;
  readonly path: string;
  readonly file: string | undefined;
  /** A service manager made it: the file stays, whose it is. */
  readonly isInherited: boolean;
}

export interface LoaderAnswers {
  /** A policy file, judged as a whole; its roots are not opened. */
  readonly check: JudgedPolicy;
  /** The bytes of a file that is read as a policy is. */
  readonly read: Uint8Array;
  /** A policy file, with its roots. */
  readonly load: LoadedPolicy;
  /** The roots of a policy that is there already. */
  readonly open: LoadedPolicy;
  /** What is wrong with its roots. */
  readonly judge: readonly RootProblem[];
  readonly listen: Listening;
  /** A socket that is listened on already, with its file. */
  readonly inherit: Listening;
  /** A VM's memory, ready to be mapped. */
  readonly "open-vm-memory": OpenMemory;
  /** Removes a socket's file where it is still that one: whether it was. */
  readonly unlink: boolean;
}

export type LoaderQuestion =
  | {
      readonly kind: "check";
      readonly path: string;
      /** What to judge in place of a file; `path` is what to call it then. */
      readonly bytes?: Uint8Array | undefined;
      readonly kept: readonly KeptPlace[];
    }
  | { readonly kind: "read"; readonly path: string }
  | {
      readonly kind: "load";
      readonly path: string;
      /** As of "check". */
      readonly bytes?: Uint8Array | undefined;
      readonly kept: readonly KeptPlace[];
    }
  | { readonly kind: "open"; readonly policy: Policy; readonly kept: readonly KeptPlace[] }
  | { readonly kind: "judge"; readonly policy: Policy; readonly kept: readonly KeptPlace[] }
  | { readonly kind: "listen"; readonly path: string; readonly type: UnixType }
  | { readonly kind: "inherit"; readonly fd: number; readonly path: string }
  | { readonly kind: "open-vm-memory"; readonly memory: string | number; readonly bytes: number }
  /** Sets a word, where there is one, when it is through: for a caller that cannot wait for an answer. */
  | { readonly kind: "unlink"; readonly listening: Listening; readonly done?: Int32Array };

export type ToLoader = LoaderQuestion & { readonly id: number };

export type FromLoader =
  /** What it looks at now: said where it does not come back. */
  | { readonly kind: "at"; readonly path: string | undefined }
  | { readonly kind: "done"; readonly id: number; readonly value: unknown }
  | { readonly kind: "failed"; readonly id: number; readonly error: PackedError };

export type PackedError =
  | {
      readonly name: "PolicyError";
      readonly file: string;
      readonly problems: readonly PolicyProblem[];
      readonly cause: unknown;
    }
  | {
      readonly name: "SystemError";
      readonly errno: number;
      readonly syscall: string;
      readonly path: string | undefined;
      readonly message: string;
    }
  | { readonly name: "VmMemoryError" | "NotARegionError"; readonly message: string }
  | { readonly name: "Error"; readonly cause: unknown };

export function packError(error: unknown): PackedError {
  if (error instanceof PolicyError) {
    const { file, problems, cause } = error;
    return {
      name: "PolicyError",
      file,
      problems,
      cause: cause instanceof SystemError ? packError(cause) : cause,
    };
  }
  if (error instanceof NotARegionError) return { name: "NotARegionError", message: error.message };
  if (error instanceof VmMemoryError) return { name: "VmMemoryError", message: error.message };
  if (!(error instanceof SystemError)) return { name: "Error", cause: error };
  const { errno, syscall, path, message } = error;
  return { name: "SystemError", errno, syscall, path, message };
}

export function unpackError(packed: PackedError): unknown {
  switch (packed.name) {
    case "PolicyError": {
      const { file, problems, cause } = packed;
      return new PolicyError(file, problems, { cause: isPacked(cause) ? unpackError(cause) : cause });
    }
    case "SystemError": {
      const error = new SystemError(packed.errno, packed.syscall, packed.path);
      error.message = packed.message;
      return error;
    }
    case "NotARegionError":
      return new NotARegionError(packed.message);
    case "VmMemoryError":
      return new VmMemoryError(packed.message);
    case "Error":
      return packed.cause;
  }
}

function isPacked(cause: unknown): cause is PackedError {
  return (cause as PackedError | undefined)?.name === "SystemError" && !(cause instanceof Error);
}
