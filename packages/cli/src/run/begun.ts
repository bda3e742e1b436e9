// A run of `ringway run` that has begun, as the first part of the command (commands/run.ts) hands it to the rest.

import type { AgentProcess } from "./agent.ts";
import type { PassedSignals } from "./passed-signals.ts";
import type { As } from "./user.ts";
import type { Who } from "./who.ts";

export interface RunCommandOptions {
  readonly policy?: string;
  /** Another monitor's socket. */
  readonly attach?: string;
  readonly files: "bind" | "mount";
  readonly agent?: string;
  readonly cwd?: string;
  readonly env: readonly string[];
  readonly user?: string;
  readonly publish: readonly string[];
  readonly learn?: string;
  readonly quiet?: boolean;
  readonly audit?: string;
  readonly logLevel: string;
}

/** A run that has begun: what the rest of it goes on with. */
export interface Begun {
  readonly command: readonly string[];
  readonly options: RunCommandOptions;
  readonly who: Who;
  /** The program's environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly as: As;
  readonly programs: { readonly bubblewrap: string; readonly agent: string };
  /** Of this run alone; it has the folders `attach`, `etc` and `mounts`. */
  readonly folder: string;
  /** Of the monitor. */
  readonly socket: string;
  readonly signals: PassedSignals;
  /** The agent, which has been started, unless it needs to know what the policy says; then startAgent() starts it. */
  readonly starting: Promise<AgentProcess> | undefined;
  /** For the agent's --publish; undefined where the policy decides. */
  readonly publish: readonly string[] | undefined;
  startAgent(mounts: readonly string[], publish: readonly string[]): Promise<AgentProcess>;
  /** Nobody waits for a monitor any more, and so not for the agent. */
  giveUp(): void;
}
