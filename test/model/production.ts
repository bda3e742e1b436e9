// The production rings, doorbells and frames, as built, but with every access to shared memory handed to the model.
//
// Their text is loaded as it stands in @ringway/control, with three changes: `Atomics` is the model's, private fields
// become ordinary ones (so that the model can copy and compare an object's state), and a mutant's mistake, if one is
// asked for, is put in. Nothing of the logic is written down a second time here.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import * as control from "@ringway/control";
import { bytes, words } from "./fiber.ts";

export interface Production {
  readonly RingProducer: typeof control.RingProducer;
  readonly RingConsumer: typeof control.RingConsumer;
  readonly BellSender: typeof control.BellSender;
  readonly BellReceiver: typeof control.BellReceiver;
  readonly FrameReader: typeof control.FrameReader;
  readonly FrameWriter: typeof control.FrameWriter;
}

/** A mistake: text of a module of control's, which must stand there exactly once (spaces and line ends apart). */
export interface Patch {
  readonly module: "ring" | "doorbell" | "frame";
  readonly replace: string;
  readonly by: string;
}

/** Ids that the receiver can keep: all that a scenario uses, so that its state stays small. */
const KEPT_IDS = 8;

const imports: Readonly<Record<string, object>> = {
  errors: control,
  limits: control,
  layout: { ...control.layout, BELL_STREAM_IDS: KEPT_IDS },
  invariant: {
    invariant(holds: boolean, what: string): void {
      if (!holds) throw new control.BrokenInvariant(what);
    },
  },
  // For encodeFrame(), of which the model makes no use.
  wire: {},
};

export function loadProduction(patches: readonly Patch[] = []): Production {
  const load = (module: Patch["module"]): object =>
    evaluate(
      patches.reduce((text, patch) => (patch.module === module ? apply(text, patch) : text), read(module)),
    );
  return { ...load("ring"), ...load("doorbell"), ...load("frame") } as Production;
}

function read(module: string): string {
  const index = createRequire(import.meta.url).resolve("@ringway/control");
  return readFileSync(join(index, "..", `${module}.js`), "utf8");
}

function apply(text: string, { module, replace, by }: Patch): string {
  const escaped = replace.trim().replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const pattern = new RegExp(escaped.replace(/\s+/g, "\\s*"), "g");
  const found = text.match(pattern)?.length ?? 0;
  if (found !== 1) {
    throw new Error(`a mutant no longer fits: ${module}.js has ${found} places that read\n${replace}`);
  }
  return text.replace(pattern, () => by);
}

function evaluate(text: string): object {
  const names: string[] = [];
  const body = text
    .replace(/^\s*\/\/.*$/gm, "")
    .replace(/^import \{([^}]*)\} from "\.\/(\w+)\.js";$/gm, "const {$1} = imports.$2;")
    .replace(/^export (class|function|const) (\w+)/gm, (_, kind: string, name: string) => {
      names.push(name);
      return `${kind} ${name}`;
    })
    .replace(/#(?=[a-z])/g, "$");
  const make = new Function("Atomics", "imports", `"use strict";${body}\nreturn { ${names.join(", ")} };`);
  return make(words, imports);
}

/** The region, as the production code is given it: both views only stand for the model's memory. */
export const sharedMemory: control.RegionMemory = {
  words: words as unknown as Int32Array,
  bytes: bytes as unknown as Uint8Array,
};
