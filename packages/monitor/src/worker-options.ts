/**
 * Node's options for the threads: this program's, as Workers take them over by themselves; but none where one is
 * --input-type, which Workers of `node -e` stumble over. (To filter would not do: a Worker refuses options of V8.)
 */
export const WORKER_OPTIONS: { execArgv?: string[] } = process.execArgv.some((option) =>
  option.startsWith("--input-type"),
)
  ? { execArgv: [] }
  : {};
