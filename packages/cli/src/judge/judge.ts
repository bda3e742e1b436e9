// What a policy decides, without a monitor, for `policy explain` and `policy test`: by the matcher that the monitor
// itself asks, and in the same steps.

import { canonicalAddress, splitHostPort } from "@ringway/control";
import type { Decision, Policy, PolicyMatcher } from "@ringway/monitor";

export type What = "connect" | "listen" | "file";
/** Of rules. */
export type List = "connect" | "listen" | "files" | "sockets";

export interface Asking {
  readonly what: What;
  /** HOST:PORT, ADDRESS:PORT, or a path. */
  readonly target: string;
  readonly write?: boolean;
  readonly udp?: boolean;
  /** The addresses that a name is to have: those that are judged. */
  addressesOf?(name: string): Promise<readonly string[]>;
}

/** One thing that was judged: the request itself, or an address that its name resolves to. */
export interface Judged {
  /** The address, where it is one of several that a name resolves to. */
  readonly address?: string;
  readonly decision: Decision;
}

export interface Judgement {
  readonly list: List;
  readonly judged: readonly Judged[];
  /** The monitor connects to those addresses of a name that are allowed, if there are any. */
  readonly allowed: boolean;
  /** A name that is allowed, and of which the addresses are judged, where any are known. */
  readonly name?: string;
}

/** A path, where an address would be: a Unix socket. */
export function isSocket({ what, target }: Pick<Asking, "what" | "target">): boolean {
  return what !== "file" && target.startsWith("/");
}

/** What is wrong with the target; undefined: nothing. The policy itself judges host, port and path. */
export function targetProblem(asking: Pick<Asking, "what" | "target">): string | undefined {
  const { what, target } = asking;
  if (what === "file" || isSocket(asking) || endpointOf(target) !== undefined) return undefined;
  const expected =
    what === "connect"
      ? "HOST:PORT, such as example.com:443 or [2001:db8::1]:443, or the path of a socket, such as /run/app.sock"
      : "ADDRESS:PORT, such as 127.0.0.1:8000 or [::1]:8000, or the path of a socket, such as /run/app.sock";
  return `expected ${expected}; found ${JSON.stringify(target)}`;
}

/** Whether it asks by an address, and not by a name. */
export function isByAddress({ target }: Pick<Asking, "target">): boolean {
  return canonicalAddress(hostOf(target)) !== undefined;
}

export function hostOf(target: string): string {
  return endpointOf(target)?.host ?? "";
}

/** Of a target without a problem. */
export async function judge(matcher: PolicyMatcher, asking: Asking): Promise<Judgement> {
  const { what, target, write = false, udp = false } = asking;
  if (what === "file") return judgement("files", [{ decision: matcher.file(target, write) }]);
  if (isSocket(asking)) return judgement("sockets", [{ decision: matcher.socket(target, what) }]);
  const { host, port } = endpointOf(target)!;
  const transport = udp ? "udp" : "tcp";
  if (what === "listen") return judgement(what, [{ decision: matcher.listen(host, port, transport) }]);
  if (isByAddress(asking)) {
    return judgement(what, [{ decision: matcher.connectAddress(host, port, transport) }]);
  }
  const named = matcher.connectName(host, port, transport);
  if (!named.allowed) return judgement(what, [{ decision: named }]);
  const { name, ruleIndex } = named;
  const addresses = (await asking.addressesOf?.(name)) ?? matcher.fixedAddresses(name);
  if (addresses.length === 0) return { ...judgement(what, [{ decision: named }]), name };
  const judged = addresses.map((address) => {
    const decision = matcher.connectResolved(host, ruleIndex, address, port, transport);
    return { address, decision };
  });
  return { ...judgement(what, judged), name };
}

function judgement(list: List, judged: readonly Judged[]): Judgement {
  return { list, judged, allowed: judged.some(({ decision }) => decision.allowed) };
}

function endpointOf(target: string): { readonly host: string; readonly port: number } | undefined {
  const { host, port } = splitHostPort(target) ?? {};
  return host === undefined || port === undefined ? undefined : { host, port };
}

/** Where in the file a rule stands. */
export function placeOf(policy: Policy, list: List, id: string): string {
  const index = policy[list].findIndex((rule) => rule.id === id);
  return index < 0 ? "built in" : `${list}[${index}]`;
}
