// Ports on which the program listens that are the host's as well: what the agent is told of them (--publish). A listen
// rule of the policy allows each. So where there is such a rule, and nothing else is said, it is `auto`.
//
// The agent is on its way before the policy is read, unless the policy's text may have such a rule.

import { readFileSync, statSync } from "node:fs";
import type { Policy } from "@ringway/monitor";
import { UsageError } from "../errors.ts";
import type { RunCommandOptions } from "./begun.ts";

const AUTO = "auto";
const OFF = "off";
/** [HOSTADDR:]HOSTPORT:PORT; the agent says what is wrong with an address. */
const PORTS = /^(?:(?:\[[\da-fA-F:.]+\]|[\d.]+):)?\d{1,5}:\d{1,5}$/;
/** A key of YAML or JSON, maybe with escapes; lines that are comments do not count. */
const MAY_LISTEN = /^(?!\s*#).*(?:listen|\\[xuU])/m;

type Options = Pick<RunCommandOptions, "policy" | "publish" | "attach">;

/** For the agent; undefined where the policy decides. Throws UsageError. */
export function toldToPublish({ policy, publish, attach }: Options): readonly string[] | undefined {
  const wrong = publish.find((what) => what !== AUTO && what !== OFF && !PORTS.test(what));
  if (wrong !== undefined)
    throw new UsageError(`--publish: ${wrong} is not auto, off or [HOSTADDR:]HOSTPORT:PORT, such as 8080:80`);
  if (publish.includes(OFF)) {
    if (publish.length > 1) throw new UsageError("--publish off goes with no other --publish");
    return [];
  }
  if (publish.length > 0) return publish;
  // Another monitor's rules are not known here.
  return attach === undefined && policy !== undefined && mayListen(policy) ? undefined : [];
}

export function publishedBy({ listen }: Policy): readonly string[] {
  return listen.some(({ action, protocols }) => action === "allow" && protocols.includes("tcp"))
    ? [AUTO]
    : [];
}

/** A pipe is read once, by whoever takes it for a policy; what is wrong with a file is told then. */
function mayListen(policy: string): boolean {
  try {
    return !statSync(policy, { bigint: true }).isFile() || MAY_LISTEN.test(readFileSync(policy, "utf8"));
  } catch {
    return true;
  }
}
