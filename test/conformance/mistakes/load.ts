// The TypeScript testee and the code below it, as built, with a mistake put in.
//
// All modules that the testee is made of, its own and those of @ringway/control, are evaluated once more for each
// mistake.

import type { TypeScriptGuest } from "../../../packages/conformance/src/typescript/guest.ts";
import {
  builtFolder,
  compile,
  type Evaluate,
  type Exports,
  type Replacement,
  readBuilt,
  replaceOnce,
} from "../../support/built.ts";

/** A mistake in one module: of @ringway/control ("ring", "messages/udp"), or of the testee ("typescript/stream"). */
export interface Patch extends Replacement {
  readonly module: string;
}

const CONTROL: string = builtFolder("control").href;
const CONFORMANCE: string = builtFolder("conformance").href;

/** Compiled once, those without a mistake. */
const sound: Map<string, Evaluate> = new Map();

/** The testee's class. Throws where a mistake does not fit the code any more. */
export function loadGuest(patches: readonly Patch[]): new () => TypeScriptGuest {
  const made = new Map<string, Exports>();
  const load = (url: string): Exports => {
    const known = made.get(url);
    if (known !== undefined) return known;
    const mine = patches.filter(({ module }) => urlOf(module) === url);
    const evaluate = mine.length === 0 ? soundModule(url) : mistaken(url, mine);
    const exports = evaluate((name) => load(resolve(name, url)), Atomics);
    made.set(url, exports);
    return exports;
  };
  const { TypeScriptGuest: Guest } = load(`${CONFORMANCE}typescript/guest.js`);
  const idle = patches.filter(({ module }) => !made.has(urlOf(module)));
  if (idle.length > 0) throw new Error(`the testee does not use ${idle[0]!.module}`);
  return Guest as new () => TypeScriptGuest;
}

function urlOf(module: string): string {
  return `${module.startsWith("typescript/") ? CONFORMANCE : CONTROL}${module}.js`;
}

function resolve(name: string, from: string): string {
  return name === "@ringway/control" ? `${CONTROL}index.js` : new URL(name, from).href;
}

function soundModule(url: string): Evaluate {
  let evaluate = sound.get(url);
  if (evaluate === undefined) {
    evaluate = compile(readBuilt(new URL(url)));
    sound.set(url, evaluate);
  }
  return evaluate;
}

function mistaken(url: string, patches: readonly Patch[]): Evaluate {
  const text = patches.reduce((was, patch) => replaceOnce(was, patch.module, patch), readBuilt(new URL(url)));
  return compile(text);
}
