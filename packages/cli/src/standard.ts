// stdout and stderr, for what is printed before a command ends. (Commands that serve guests write by a LogWriter.)

/** What becomes of an error of each, other than EPIPE. */
const heeded = new Map<string, (error: Error) => void>();

/** `onError` takes the place of the one before it; without any, an error is thrown. */
export function standard(name: "stdout" | "stderr", onError?: (error: Error) => void): NodeJS.WriteStream {
  const stream = process[name];
  const isNew = !heeded.has(name);
  if (isNew || onError !== undefined) heeded.set(name, onError ?? thrown);
  if (!isNew) return stream;
  // `ringway ... | head` has read enough: as if by SIGPIPE, since not all was done.
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(141);
    heeded.get(name)!(error);
  });
  return stream;
}

function thrown(error: Error): void {
  throw error;
}

/**
 * A pipe takes 64 KiB at a time: a report that is longer is not all out when it was written. Commands that serve guests
 * write nothing here meanwhile, and so wait for nobody.
 */
export function stdoutWritten(): Promise<void> {
  return new Promise((resolve) => {
    if (!heeded.has("stdout") || process.stdout.writableLength === 0) resolve();
    else process.stdout.write("", () => resolve());
  });
}
