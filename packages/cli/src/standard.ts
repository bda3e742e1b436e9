// stdout and stderr, for what is printed before a command ends. (Commands that serve guests write by a LogWriter.)

const heeded = new Set<string>();

export function standard(name: "stdout" | "stderr"): NodeJS.WriteStream {
  const stream = process[name];
  if (heeded.has(name)) return stream;
  heeded.add(name);
  // `ringway ... | head` has read enough: as if by SIGPIPE, since not all was done.
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(141);
  });
  return stream;
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
