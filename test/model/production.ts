// The production rings, doorbells and frames, as built, but with every access to shared memory handed to the model.
//
// Their text is loaded as tsc writes it, with three changes: `Atomics` is the model's, private fields
// become ordinary ones (so that the model can copy and compare an object's state), and a mutant's mistake, if one is
// asked for, is put in.

import * as control from "@ringway/control";
import {
  builtFolder,
  compile,
  type Exports,
  type Replacement,
  readBuilt,
  replaceOnce,
} from "../support/built.ts";
import { bytes, words } from "./fiber.ts";

export interface Production {
  readonly RingProducer: typeof control.RingProducer;
  readonly RingConsumer: typeof control.RingConsumer;
  readonly BellSender: typeof control.BellSender;
  readonly BellReceiver: typeof control.BellReceiver;
  readonly FrameReader: typeof control.FrameReader;
  readonly FrameWriter: typeof control.FrameWriter;
}

/** A mistake in a module of control's. */
export interface Patch extends Replacement {
  readonly module: "ring" | "doorbell" | "frame";
}

/** Ids that the receiver can keep: all that a scenario uses, so that its state stays small. */
const KEPT_IDS = 8;

const imports: Readonly<Record<string, Exports>> = {
  "./errors.js": control,
  "./limits.js": control,
  "./layout.js": { ...control.layout, BELL_STREAM_IDS: KEPT_IDS },
  "./invariant.js": {
    invariant(holds: boolean, what: string): void {
      if (!holds) throw new control.BrokenInvariant(what);
    },
  },
  // For encodeFrame(), of which the model makes no use.
  "./wire.js": {},
};

export function loadProduction(patches: readonly Patch[] = []): Production {
  const load = (module: Patch["module"]): Exports => {
    const mine = patches.filter((patch) => patch.module === module);
    return evaluate(mine.reduce((text, patch) => replaceOnce(text, module, patch), read(module)));
  };
  return { ...load("ring"), ...load("doorbell"), ...load("frame") } as unknown as Production;
}

function read(module: string): string {
  return readBuilt(new URL(`${module}.js`, builtFolder("control")));
}

function evaluate(text: string): Exports {
  return compile(withOpenFields(text))((name) => imports[name]!, words);
}

/** Private fields as ordinary ones. */
export function withOpenFields(text: string): string {
  return text.replace(/#(?=[a-z])/g, "$");
}

/** The region, as the production code is given it: both views only stand for the model's memory. */
export const sharedMemory: control.RegionMemory = {
  words: words as unknown as Int32Array,
  bytes: bytes as unknown as Uint8Array,
};
