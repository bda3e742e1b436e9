// A dump, 16 bytes in a line: where they are in what the peer said, each in hex, and what is printable of them.

const LINE_BYTES = 16;

export function hexLines(chunk: Uint8Array, from: number): string {
  const lines: string[] = [];
  for (let at = 0; at < chunk.length; at += LINE_BYTES) {
    const bytes = [...chunk.subarray(at, at + LINE_BYTES)];
    const hex = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = bytes
      .map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "."))
      .join("");
    lines.push(`${(from + at).toString(16).padStart(8, "0")}  ${hex.padEnd(LINE_BYTES * 3 - 1)}  ${text}\n`);
  }
  return lines.join("");
}
