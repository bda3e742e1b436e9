// The ringway command, as a function: `run(["policy", "check", "policy.yaml"])` resolves with the exit code.

export { run } from "./program.ts";
export type { Signals } from "./signals.ts";
