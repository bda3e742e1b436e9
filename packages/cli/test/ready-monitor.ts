// `ringway monitor` as a process that takes guests, for one test.

import { onTestFinished } from "vitest";
import type { Program } from "../../../test/support/processes.ts";
import { Home } from "../../../test/support/ringway.ts";

export const POLICY = `version: 1
guest: { argv: [before] }
connect:
  - { id: local, allow: 127.0.0.1 }
`;

export interface Started {
  readonly process: Program;
  readonly policy: string;
  readonly socket: string;
}

/** A monitor that is ready, in a home of its own. */
export async function startMonitor(...args: string[]): Promise<Started> {
  const home = new Home(POLICY);
  onTestFinished(() => home[Symbol.asyncDispose]());
  const process = await home.ready(args, { env: { NODE_OPTIONS: "" } });
  return { process, policy: home.policyFile, socket: home.path };
}
