// Host names, from guests and in policies: ASCII letters, digits, hyphens and underscores (service names use them), in
// labels of 1 to 63, at most 253 in all (RFC 1035, RFC 1123). Internationalized names come as their A-labels (xn--).
// A name never looks like an address: getaddrinfo takes 127.1, 2130706433 and 0x7f.1 for IPv4 addresses, so a name
// whose last label is a number, decimal or hexadecimal, is refused (the URL standard has the same rule).
import { parseIp } from "@ringway/control";
import { quoted } from "./text.ts";

export type NameResult = { readonly name: string } | { readonly problem: string };

const NAME_LENGTH_MAX = 253;
const LABEL_LENGTH_MAX = 63;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/;
const NUMBER = /^(?:[0-9]+|0x[0-9a-f]*)$/;

/** Names that were asked for lately: each connect to one needs it three times. */
const known: Map<string, NameResult> = new Map();
const KNOWN_MAX = 256;

/** Lower-case, without the trailing dot. */
export function normalizeName(text: string): NameResult {
  const before = known.get(text);
  if (before !== undefined) return before;
  const result = normalize(text);
  // What is no name may be long.
  if ("problem" in result) return result;
  if (known.size === KNOWN_MAX) known.clear();
  known.set(text, result);
  return result;
}

function normalize(text: string): NameResult {
  if (text === "") return { problem: "the name is empty" };
  if (parseIp(text) !== undefined) return { problem: `${quoted(text)} is an address, not a name` };
  const bare = text.endsWith(".") ? text.slice(0, -1) : text;
  if (bare.length > NAME_LENGTH_MAX) {
    return { problem: `a name of ${bare.length} characters is longer than ${NAME_LENGTH_MAX}` };
  }
  // Checked before the letters become lower-case: toLowerCase maps the Kelvin sign to k.
  const foreign = /[^A-Za-z0-9_.-]/u.exec(bare);
  if (foreign !== null) {
    // Of a letter of another script the name has a form of ASCII alone.
    const hint = /\p{L}/u.test(foreign[0]) ? ": give its xn-- form" : "";
    return { problem: `the name ${quoted(text)} has ${quoted(foreign[0])}, which names do not have${hint}` };
  }
  const name = bare.toLowerCase();
  const labels = name.split(".");
  for (const label of labels) {
    if (label === "") return { problem: `the name ${quoted(text)} has an empty label` };
    if (label.length > LABEL_LENGTH_MAX) {
      return { problem: `the name ${quoted(text)} has a label longer than ${LABEL_LENGTH_MAX} characters` };
    }
    if (!LABEL.test(label)) {
      return { problem: `the name ${quoted(text)} has a label that begins or ends with a hyphen` };
    }
  }
  if (NUMBER.test(labels.at(-1)!)) {
    return { problem: `${quoted(text)} ends in a number, so it reads as an address, but is not a full one` };
  }
  return { name };
}

/** `*`, `*.example.com` or `example.com`, lower-case and without the trailing dot. */
export function normalizePattern(text: string): NameResult {
  if (text === "*") return { name: "*" };
  const wild = text.startsWith("*.");
  const rest = wild ? text.slice(2) : text;
  if (rest.includes("*")) {
    return { problem: `${quoted(text)} has a "*" that is not its whole first label (as in *.example.com)` };
  }
  const result = normalizeName(rest);
  if ("problem" in result) return result;
  return { name: wild ? `*.${result.name}` : result.name };
}
