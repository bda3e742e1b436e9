// Sizes as QEMU writes them: 64M.

import { formatSize, isVmMemorySize, parseSize } from "@ringway/monitor";

/** Bytes of 64M, or of the policy's 64MiB: the same text goes to QEMU. Undefined for what is neither. */
function parseQemuSize(text: string): number | undefined {
  return parseSize(text.replace(/^([0-9]+)([KMG])$/, "$1$2iB"));
}

/** Bytes of --memory, or the sentence that says what is wrong with it. */
export function parseMemory(text: string): number | string {
  const bytes = parseQemuSize(text);
  if (bytes === undefined) return `expected a size such as 64M or 1G, found "${text}"`;
  if (isVmMemorySize(bytes)) return bytes;
  return `a PCI device's memory is a power of two, here from 1M to 4G; found "${text}"`;
}

/** As parseMemory() takes it. */
export function formatMemory(bytes: number): string {
  return formatSize(bytes).replace(/iB$/, "");
}
