export const KiB = 1024;
export const MiB: number = 1024 * KiB;
const GiB: number = 1024 * MiB;

const UNITS: Readonly<Record<string, number>> = { "": 1, KiB, MiB, GiB };

/** Bytes of `4096`, `"4096"` or `"256MiB"`; undefined for anything else, and past Number.MAX_SAFE_INTEGER. */
export function parseSize(size: unknown): number | undefined {
  const match = /^([0-9]+)(KiB|MiB|GiB)?$/.exec(String(size));
  if (match === null) return undefined;
  const bytes = Number(match[1]) * UNITS[match[2] ?? ""]!;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** The shortest exact form: 256MiB, 1025. */
export function formatSize(bytes: number): string {
  for (const [unit, size] of [
    ["GiB", GiB],
    ["MiB", MiB],
    ["KiB", KiB],
  ] as const) {
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return String(bytes);
}
