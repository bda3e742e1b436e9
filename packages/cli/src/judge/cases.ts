// CASES.yaml of `ringway policy test`: what guests ask, in the words of `policy explain`, and what is expected.
//
//   version: 1
//   cases:
//     - { connect: example.com:443, expect: allow, rule: web }
//     - { connect: example.com:443, addresses: 10.0.0.1, expect: deny, rule: not-public }
//     - { guest: web, listen: 127.0.0.1:8000, protocol: udp, expect: deny }
//     - { file: /data/x, write: true, expect: deny }

import { canonicalAddress } from "@ringway/control";
import type { YamlPlace } from "@ringway/monitor";
import { isByAddress, isSocket, targetProblem, type What } from "./judge.ts";

export interface Case {
  readonly line: number;
  readonly column: number;
  /** Undefined: one without a policy of its own. */
  readonly guest?: string | undefined;
  readonly what: What;
  readonly target: string;
  readonly write: boolean;
  readonly udp: boolean;
  readonly addresses: readonly string[];
  readonly expect: "allow" | "deny";
  readonly rule?: string | undefined;
}

const WHAT: readonly What[] = ["connect", "listen", "file"];
const KEYS = ["guest", ...WHAT, "protocol", "write", "addresses", "expect", "rule"];

export function casesOf(root: YamlPlace): Case[] {
  const known = ["version", "cases"];
  const keys = root.map("a map with version: 1 and cases", { known, required: known });
  const version = keys?.get("version");
  if (version !== undefined && version.value !== 1) version.whole("1", [1, 1]);
  const cases = keys?.get("cases");
  const places = cases?.list("a list of cases");
  if (places?.length === 0) cases!.complain("expected a case at least, found an empty list");
  return (places ?? []).flatMap((place) => caseOf(place) ?? []);
}

function caseOf(place: YamlPlace): Case | undefined {
  const keys = place.map("a map with connect, listen or file, and expect", {
    known: KEYS,
    required: ["expect"],
  });
  if (keys === undefined) return undefined;
  const asked = WHAT.filter((what) => keys.has(what));
  if (asked.length !== 1) {
    place.complain(
      `expected one of ${WHAT.join(", ")}; found ${asked.length === 0 ? "none" : asked.join(" and ")}`,
    );
    return undefined;
  }
  const what = asked[0]!;
  const at = keys.get(what)!;
  const target = at.text("what is asked for, a text");
  const problem = target === undefined ? undefined : targetProblem({ what, target });
  if (problem !== undefined) at.complain(problem);
  const { line, column } = place;
  const one = {
    line,
    column,
    what,
    target: target ?? "",
    guest: keys.get("guest")?.text("the name of a guest"),
    write: keys.get("write")?.oneOf([true, false]) ?? false,
    udp: keys.get("protocol")?.oneOf(["tcp", "udp"]) === "udp",
    addresses: (keys.get("addresses")?.oneOrMore("an address") ?? []).flatMap(
      (each) => addressOf(each) ?? [],
    ),
    expect: keys.get("expect")?.oneOf(["allow", "deny"]) ?? "deny",
    rule: keys.get("rule")?.text("the id of a rule"),
  } as const;
  if (target !== undefined) complainOfKeys(one, keys);
  return one;
}

function addressOf(place: YamlPlace): string | undefined {
  const text = place.text("an IPv4 or IPv6 address");
  if (text === undefined || canonicalAddress(text) !== undefined) return text;
  place.complain(`expected an IPv4 or IPv6 address, found ${JSON.stringify(text)}`);
  return undefined;
}

/** Keys that do not go with what is asked. */
function complainOfKeys(one: Case, keys: ReadonlyMap<string, YamlPlace>): void {
  const { what } = one;
  if (what !== "file") keys.get("write")?.complain("write goes with file only");
  const hasAddress = what !== "file" && !isSocket(one);
  if (!hasAddress) keys.get("protocol")?.complain("protocol goes with an address or a name only");
  if (what !== "connect" || !hasAddress || isByAddress(one)) {
    keys.get("addresses")?.complain("addresses go with a connect to a name only");
  }
}
