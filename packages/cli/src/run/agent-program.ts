// Where the program ringway-agent is: the agent, and what starts the program inside, are both made of it.

import { cannot } from "./bubblewrap.ts";
import { findProgram } from "./programs.ts";

const NAME = "ringway-agent";

/** `given`: --agent. Throws Failure, with what to do, where there is none. */
export function findAgent(given: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  const named = given ?? env.RINGWAY_AGENT;
  const found = findProgram(named ?? NAME, env.PATH);
  if (found !== undefined) return found;
  throw cannot(
    named === undefined
      ? `there is no ${NAME} in any folder of PATH; docs/agent.md says how to build it, and --agent FILE where it is`
      : `${named} is no program`,
  );
}
