// ringway policy test FILE CASES.yaml: whether a policy decides as somebody expects, for CI. With --config the file is
// a monitor's, ringway.yaml, and each case says which of its guests asks.

import {
  HostSurroundings,
  type Policy,
  PolicyError,
  PolicyLoader,
  PolicyMatcher,
  type YamlPlace,
} from "@ringway/monitor";
import { type MonitorConfig, readConfig } from "../config/read.ts";
import { Exit, Failure, UsageError } from "../errors.ts";
import { type Case, casesOf } from "../judge/cases.ts";
import { type Judgement, judge } from "../judge/judge.ts";
import { plural } from "../numbers.ts";
import { policyFailure } from "../policy-failure.ts";
import { loadOnce, STDIN } from "./load.ts";

export interface TestOptions {
  readonly config?: boolean;
}

export async function testPolicy(file: string, casesFile: string, options: TestOptions): Promise<number> {
  if (options.config && file === STDIN)
    throw new UsageError("--config: expected the path of a file, found -");
  await using loader = new PolicyLoader();
  const cases = await read(loader, casesFile, casesOf);
  using surroundings = new HostSurroundings();
  const config = options.config ? await readConfig(file) : undefined;
  const matchers = new Matchers(loader, surroundings, config, file);
  let failed = 0;
  for (const one of cases) {
    const matcher = await matchers.of(one, casesFile);
    const addresses = one.addresses.length === 0 ? undefined : { addressesOf: async () => one.addresses };
    const problem = problemOf(one, await judge(matcher, { ...one, ...addresses }));
    if (problem === undefined) continue;
    failed++;
    console.error(`${placeOf(one, casesFile)}: ${problem}`);
  }
  if (failed === 0) {
    console.log(`${casesFile}: ok (${plural(cases.length, "case")})`);
    return Exit.OK;
  }
  console.error(`${casesFile}: ${failed} of ${plural(cases.length, "case")} failed`);
  return Exit.FAILED;
}

async function read<T>(loader: PolicyLoader, file: string, of: (root: YamlPlace) => T): Promise<T> {
  try {
    return await loader.readYaml(file, of);
  } catch (error) {
    if (error instanceof PolicyError) throw policyFailure(error);
    throw error;
  }
}

/** Those that judge, one for each policy file. */
class Matchers {
  readonly #loader: PolicyLoader;
  readonly #config: MonitorConfig | undefined;
  readonly #file: string;
  readonly #made: Map<string, PolicyMatcher> = new Map();
  readonly #surroundings: HostSurroundings;

  constructor(
    loader: PolicyLoader,
    surroundings: HostSurroundings,
    config: MonitorConfig | undefined,
    file: string,
  ) {
    this.#loader = loader;
    this.#surroundings = surroundings;
    this.#config = config;
    this.#file = file;
  }

  async of(one: Case, casesFile: string): Promise<PolicyMatcher> {
    const file = this.#fileOf(one, casesFile);
    const made = this.#made.get(file) ?? new PolicyMatcher(await this.#load(file), this.#surroundings);
    this.#made.set(file, made);
    return made;
  }

  #load(file: string): Promise<Policy> {
    return loadOnce(file, this.#loader);
  }

  #fileOf(one: Case, casesFile: string): string {
    const { guest } = one;
    const config = this.#config;
    const fail = (message: string): Failure =>
      new Failure(`${placeOf(one, casesFile)}: ${message}`, { isReport: true });
    if (config === undefined) {
      if (guest === undefined) return this.#file;
      throw fail(`guest goes with --config, where ${this.#file} says which guests there are`);
    }
    const named = [...config.guests, ...config.vms].find(({ name }) => name === guest);
    if (guest !== undefined && named === undefined) {
      throw fail(`there is no guest ${JSON.stringify(guest)} in ${this.#file}`);
    }
    const file = named?.policy ?? config.settings.policy;
    if (typeof file !== "string") throw fail(`${this.#file} names no policy for this guest`);
    return file;
  }
}

function placeOf({ line, column }: Case, file: string): string {
  return `${file}:${line}:${column}`;
}

/** undefined: it is as expected. */
function problemOf({ what, target, expect, rule }: Case, { allowed, judged }: Judgement): string | undefined {
  const isAsExpected = allowed === (expect === "allow");
  const deciding = judged.filter(({ decision }) => decision.allowed === allowed);
  const isByRule = rule === undefined || deciding.some(({ decision }) => decision.rule === rule);
  if (isAsExpected && isByRule) return undefined;
  const expected = `expected ${expect}${rule === undefined ? "" : ` by rule ${rule}`}`;
  const [{ decision }] = deciding as [(typeof deciding)[number]];
  return `${what} ${target}: ${expected}, found ${allowed ? "allow" : "deny"} by rule ${decision.rule}: ${decision.reason}`;
}
