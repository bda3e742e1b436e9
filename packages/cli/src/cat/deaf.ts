// A connection whose writes fail is deaf, not gone: what it said before waits in the kernel, and is read. Node closes a
// Duplex at the first write that fails; with this it does not, and whoever has it hears of the failure.

import type { Duplex } from "node:stream";

type Done = (error?: Error | null) => void;

export function outliveWrites(stream: Duplex, onFailed: (error: Error) => void): void {
  const guarded =
    (done: Done): Done =>
    (error) => {
      if (error) onFailed(error);
      done();
    };
  const { _write: write, _writev: writev, _final: final } = stream;
  stream._write = (chunk, encoding, done) => write.call(stream, chunk, encoding, guarded(done));
  if (writev) stream._writev = (chunks, done) => writev.call(stream, chunks, guarded(done));
  // Not all have one, whatever the types say.
  if (final as typeof final | undefined) stream._final = (done) => final.call(stream, guarded(done));
}
