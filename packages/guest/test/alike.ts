// A call made on node:fs and on a guest: what both gave, in a form that can be compared.

// A call that no type allows is what these tests are about.
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Loose = any;

/** Texts and lists as they are told; buffers are told as their text, objects by their members. */
export interface Telling {
  text?(text: string): string;
  list?(list: unknown[]): unknown[];
}

function plain(value: unknown, telling: Telling = {}): unknown {
  const { text = (same) => same, list = (same) => same } = telling;
  if (typeof value === "string") return text(value);
  if (ArrayBuffer.isView(value)) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return `bytes ${text(bytes.toString())}`;
  }
  if (Array.isArray(value)) return list(value.map((each) => plain(each, telling)));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each, telling)]));
}

/** What a call resolved with, or the code that it failed with. */
export async function outcome(call: () => unknown, telling?: Telling): Promise<unknown> {
  try {
    return plain(await call(), telling);
  } catch (error) {
    return { fails: (error as { code?: string }).code ?? String(error) };
  }
}

type Call = (...args: Loose[]) => unknown;

/** The title of a case is the call. */
export function titled(calls: readonly Call[]): [string, Call][] {
  return calls.map((call) => [call.toString().replaceAll(/\s+/g, " "), call]);
}
