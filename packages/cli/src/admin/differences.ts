// What two texts differ in, line by line, as diff -u has it: the longest lines that both have, in their order, stay.

const CONTEXT = 3;
/** More than that, and all of the middle is another: 16 MB of a table. */
const CELLS_MAX = 4_000_000;

export interface DiffLine {
  readonly sign: " " | "-" | "+";
  readonly text: string;
}

/** Lines that are the same far from others are left out, with a line `...` in their place. Empty: they are the same. */
export function differences(before: readonly string[], after: readonly string[]): string[] {
  const lines = diffLines(before, after);
  if (lines.every(({ sign }) => sign === " ")) return [];
  const isNear = lines.map((_, i) =>
    lines.slice(Math.max(0, i - CONTEXT), i + CONTEXT + 1).some(({ sign }) => sign !== " "),
  );
  return lines.flatMap(({ sign, text }, i) => {
    if (isNear[i]) return [`${sign}${text}`];
    return i === 0 || isNear[i - 1] ? ["..."] : [];
  });
}

export function diffLines(before: readonly string[], after: readonly string[]): DiffLine[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  while (
    end < before.length - start &&
    end < after.length - start &&
    before.at(-1 - end) === after.at(-1 - end)
  ) {
    end++;
  }
  const same = (text: string): DiffLine => ({ sign: " ", text });
  return [
    ...before.slice(0, start).map(same),
    ...middle(before.slice(start, before.length - end), after.slice(start, after.length - end)),
    ...before.slice(before.length - end).map(same),
  ];
}

function middle(before: readonly string[], after: readonly string[]): DiffLine[] {
  const removed = (text: string): DiffLine => ({ sign: "-", text });
  const added = (text: string): DiffLine => ({ sign: "+", text });
  const width = after.length + 1;
  if (before.length * after.length > CELLS_MAX) return [...before.map(removed), ...after.map(added)];
  // How many lines are common from i in the one and j in the other on.
  const common = new Uint32Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      const [down, right] = [common[(i + 1) * width + j]!, common[i * width + j + 1]!];
      common[i * width + j] =
        before[i] === after[j] ? common[(i + 1) * width + j + 1]! + 1 : Math.max(down, right);
    }
  }
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < before.length && j < after.length) {
    if (before[i] === after[j]) {
      lines.push({ sign: " ", text: before[i]! });
      i++;
      j++;
    } else if (common[(i + 1) * width + j]! >= common[i * width + j + 1]!) lines.push(removed(before[i++]!));
    else lines.push(added(after[j++]!));
  }
  return [...lines, ...before.slice(i).map(removed), ...after.slice(j).map(added)];
}
