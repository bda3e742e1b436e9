// Commands that work where a package of theirs is there, and say how to get it where it is not: who runs guests needs
// neither. @ringway/conformance is for whoever writes a guest; the benchmarks and the demo are in the repository alone.

import { Exit, Failure } from "../errors.ts";

interface Packages {
  readonly bench: typeof import("@ringway/bench");
  readonly conformance: typeof import("@ringway/conformance");
  readonly demo: typeof import("@ringway/demo");
}

type Name = keyof Packages;

const PACKAGES: {
  readonly [N in Name]: {
    load(): Promise<Packages[N]>;
    /** What to do where the package is missing. */
    readonly missing: string;
  };
} = {
  bench: {
    load: () => import("@ringway/bench"),
    missing: "it is in the repository: git clone https://github.com/ringway/ringway, and there npm run bench",
  },
  conformance: {
    load: () => import("@ringway/conformance"),
    missing: "install it beside ringway: npm install @ringway/conformance",
  },
  demo: {
    load: () => import("@ringway/demo"),
    missing: "it is in the repository: git clone https://github.com/ringway/ringway, and there npm start",
  },
};

/** Throws Failure, with what to do, where the package of the command `name` is not there. */
export async function loadOptional<N extends Name>(name: N): Promise<Packages[N]> {
  const { load, missing } = PACKAGES[name];
  try {
    return await load();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "ERR_MODULE_NOT_FOUND" || !message.startsWith(`Cannot find package '@ringway/${name}'`))
      throw error;
    throw new Failure(`${name} is not installed here; ${missing}`, { cause: error, exitCode: Exit.USAGE });
  }
}
