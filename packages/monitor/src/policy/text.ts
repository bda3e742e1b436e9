// Text in messages. Names and paths come from the guest and end up in logs and terminals: quoted() lets no control
// character, line separator or bidirectional override through, and bounds the length.

const QUOTED_MAX = 200;
// Categories C* (control, format, surrogate, private, unassigned) and the two line separators.
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}"\\]/gu;

export function quoted(text: string): string {
  const shown = text.length > QUOTED_MAX ? text.slice(0, QUOTED_MAX) : text;
  const escaped = shown.replace(UNPRINTABLE, (character) =>
    character === '"' || character === "\\"
      ? `\\${character}`
      : `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
  return shown === text ? `"${escaped}"` : `"${escaped}..."`;
}

/** What a value of the file looks like, for "found ...". */
export function shown(value: unknown): string {
  if (typeof value === "string") return quoted(value);
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  return typeof value === "object" ? "a map" : String(value);
}

/** "expected a, b; found c", and with a comma where what is expected has none. */
export function expectedFound(expected: string, found: string): string {
  return `expected ${expected}${expected.includes(",") ? ";" : ","} found ${found}`;
}
