// Sizes as QEMU writes them: 64M.

import { formatSize, parseSize } from "@ringway/monitor";

/** The least that holds a region with a few streams, and the largest that Node 20 can view. */
const MEMORY_BYTES_MIN = 2 ** 20;
const MEMORY_BYTES_MAX = 2 ** 32;

/** Bytes of --memory, or the sentence that says what is wrong with it. */
export function parseMemory(text: string): number | string {
  const bytes = parseSize(text.replace(/^([0-9]+)([KMG])$/, "$1$2iB"));
  if (bytes === undefined) return `expected a size such as 64M or 1G, found "${text}"`;
  if (bytes >= MEMORY_BYTES_MIN && bytes <= MEMORY_BYTES_MAX && Number.isInteger(Math.log2(bytes)))
    return bytes;
  return `a PCI device's memory is a power of two, here from 1M to 4G; found "${text}"`;
}

/** As parseMemory() takes it. */
export function formatMemory(bytes: number): string {
  return formatSize(bytes).replace(/iB$/, "");
}
