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

/** The known word that a mistyped one most likely meant: at most a third of its letters differ. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 32) return Number.POSITIVE_INFINITY;
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, rows[i - 2]![j - 2]! + 1);
      }
      row.push(cost);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
