// Where the program ringway-agent is: the agent, and what starts the program inside, are both made of it.

import { UsageError } from "../errors.ts";
import { cannot } from "./bubblewrap.ts";
import { findProgram } from "./programs.ts";

const NAME = "ringway-agent";

/** `given`: --agent. Throws UsageError for what is none, and Failure, with what to do, where nothing was given. */
export function findAgent(given: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  const named = given ?? env.RINGWAY_AGENT;
  const found = findProgram(named ?? NAME, env.PATH);
  if (found !== undefined) return found;
  if (given !== undefined) throw new UsageError(`--agent: ${given} is no program`);
  throw cannot(
    named === undefined
      ? `there is no ${NAME} in any folder of PATH; docs/agent.md says how to build it, and --agent FILE where it is`
      : `${named} is no program`,
  );
}
