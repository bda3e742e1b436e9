// ringway policy: what a file says, without a monitor. Decisions come from the matcher that the monitor itself asks.

import { canonicalAddress } from "@ringway/control";
import { errnoName } from "@ringway/linux";
import {
  formatProblem,
  HostSurroundings,
  hostLookup,
  type KeptPlace,
  NameServerError,
  type Policy,
  PolicyLoader,
  PolicyMatcher,
  type PolicyProblem,
} from "@ringway/monitor";
import { Exit, errorLine, Failure, UsageError } from "../errors.ts";
import {
  type Asking,
  hostOf,
  isByAddress,
  isSocket,
  type Judged,
  type Judgement,
  judge,
  placeOf,
  targetProblem,
  type What,
} from "../judge/judge.ts";
import { plural } from "../numbers.ts";
import { loadOnce, nameOf, STDIN } from "./load.ts";

export interface ExplainOptions {
  readonly write?: boolean;
  readonly udp?: boolean;
  readonly resolve?: boolean;
  readonly nameServer?: readonly string[];
  readonly address?: readonly string[];
  readonly json?: boolean;
}

/** Each file by itself: what is good on stdout, what is not on stderr. */
export async function checkPolicies(files: readonly string[]): Promise<number> {
  if (files.filter((file) => file === STDIN).length > 1) {
    throw new UsageError("- is standard input, which can be read once only");
  }
  await using loader = new PolicyLoader();
  let code: number = Exit.OK;
  for (const file of files) {
    try {
      await checkPolicy(file, loader);
    } catch (error) {
      if (!(error instanceof Failure && error.isReport)) throw error;
      console.error(error.message);
      code = Exit.FAILED;
    }
  }
  return code;
}

/** Throws Failure. `kept`: what no folder of it may hold, beside what it names itself. */
export async function checkPolicy(
  file: string,
  loader: PolicyLoader,
  kept: readonly KeptPlace[] = [],
): Promise<Policy> {
  const warn = ({ message, ...place }: PolicyProblem): void => {
    console.error(formatProblem(nameOf(file), { ...place, message: `warning: ${message}` }));
  };
  const policy = await loadOnce(file, loader, { kept, warn });
  const { connect, listen, files, sockets, audit } = policy;
  const counts = [
    plural(connect.length, "connect rule"),
    plural(listen.length, "listen rule"),
    plural(files.length, "files rule"),
    ...(sockets.length === 0 ? [] : [plural(sockets.length, "sockets rule")]),
  ];
  console.log(`${nameOf(file)}: ok (${counts.join(", ")})`);
  if (audit === "required") console.log("  note: `audit: required` needs a monitor with --audit FILE");
  return policy;
}

export async function explainPolicy(
  file: string,
  what: What,
  target: string,
  options: ExplainOptions,
): Promise<number> {
  if (options.write && what !== "file") throw new UsageError("--write goes with file only");
  if (options.udp && what === "file") throw new UsageError("--udp goes with connect and listen only");
  if ((options.resolve || options.nameServer || options.address) && what !== "connect") {
    throw new UsageError("--resolve, --name-server and --address go with connect only");
  }
  if (options.nameServer && !options.resolve) throw new UsageError("--name-server goes with --resolve only");
  for (const address of options.address ?? []) {
    if (canonicalAddress(address) !== undefined) continue;
    throw new UsageError(`--address: expected an IPv4 or IPv6 address; found ${JSON.stringify(address)}`);
  }
  const asking: Asking = { what, target, ...options };
  if (isSocket(asking) && (options.resolve || options.address)) {
    throw new UsageError(`--resolve and --address go with a name; ${target} is a path`);
  }
  if (isSocket(asking) && options.udp) {
    throw new UsageError(`--udp goes with an address; ${target} is a path`);
  }
  const problem = targetProblem(asking);
  if (problem !== undefined) throw new UsageError(problem);
  await using loader = new PolicyLoader();
  const policy = await loadOnce(file, loader);
  if (isByAddress(asking) && (options.resolve || options.address)) {
    throw new UsageError(`--resolve and --address go with a name; ${hostOf(target)} is an address`);
  }
  using surroundings = new HostSurroundings();
  const matcher = new PolicyMatcher(policy, surroundings);
  const judgement = await judge(matcher, {
    ...asking,
    addressesOf: (name) => addressesOf(name, options, matcher, surroundings),
  });
  if (options.json) printJson(policy, judgement);
  else print(policy, judgement);
  return judgement.allowed ? Exit.OK : Exit.REFUSED;
}

function print(policy: Policy, { list, judged, name }: Judgement): void {
  for (const { address, decision } of judged) {
    // The reason need not name it: where the name's own rule allows, or refuses.
    const about = address === undefined || decision.reason.includes(address) ? "" : ` (${address})`;
    console.log(`${decision.allowed ? "allowed" : "refused"}: ${decision.reason}${about}`);
    const errno = decision.allowed ? "" : `; a guest gets ${errnoName(decision.errno)}`;
    const place = placeOf(policy, list, decision.rule);
    console.log(`  rule ${decision.rule}${place === decision.rule ? "" : ` (${place})`}${errno}`);
  }
  const note = name === undefined ? undefined : noteOf(name, judged);
  if (note !== undefined) console.log(`  note: ${note}`);
}

function printJson(policy: Policy, { list, allowed, judged }: Judgement): void {
  const decisions = judged.map(({ address, decision }) => ({
    ...(address === undefined ? {} : { address }),
    allowed: decision.allowed,
    rule: decision.rule,
    place: placeOf(policy, list, decision.rule),
    reason: decision.reason,
    ...(decision.allowed ? {} : { errno: errnoName(decision.errno) }),
  }));
  console.log(JSON.stringify({ allowed, decisions }, null, 2));
}

/** What becomes of a name of which no address was judged, or of which some are allowed and others refused. */
function noteOf(name: string, judged: readonly Judged[]): string | undefined {
  if (judged.every(({ address }) => address === undefined)) {
    return `the addresses that ${name} resolves to are judged as well, before connecting: see --resolve and --address`;
  }
  const allowed = judged.filter(({ decision }) => decision.allowed);
  if (allowed.length === 0 || allowed.length === judged.length) return undefined;
  const those = allowed.map(({ address }) => address).join(", ");
  return `a connect to ${name} uses the addresses that are allowed, ${those}, and no other`;
}

/** The addresses of a name that are to be judged: those that are given, and those that it has. */
async function addressesOf(
  name: string,
  { address: given = [], resolve, nameServer }: ExplainOptions,
  matcher: PolicyMatcher,
  surroundings: HostSurroundings,
): Promise<readonly string[]> {
  // A name that has addresses of its own is looked up nowhere, but localhost, of which the hosts file may say more.
  if (given.length === 0 && !resolve) return matcher.fixedAddresses(name);
  const found = resolve ? (matcher.hostsOf(name) ?? (await lookUp(name, nameServer, surroundings))) : [];
  return [...new Set([...given, ...found])];
}

async function lookUp(
  name: string,
  nameServers: readonly string[] | undefined,
  surroundings: HostSurroundings,
): Promise<readonly string[]> {
  const end = new AbortController();
  try {
    const listener = {
      found: (prefixes: readonly string[]) => surroundings.set(prefixes),
      signal: end.signal,
    };
    const lookup = hostLookup(nameServers === undefined ? {} : { nameServers }, listener);
    const early: string[] = [];
    const rest = await lookup(name, new AbortController().signal, (known) => early.push(...known));
    return [...early, ...rest];
  } catch (error) {
    if (error instanceof NameServerError) throw new UsageError(`--name-server: ${error.message}`);
    const { code } = error as NodeJS.ErrnoException;
    const by = nameServers === undefined ? "" : ` by --name-server ${nameServers.join(", ")}`;
    throw new Failure(`cannot resolve ${name}${by}: ${code ?? errorLine(error)}`, { cause: error });
  } finally {
    end.abort();
  }
}
