// The files of the attach sockets, from the start of a monitor to its end. Where the process ends with monitors open,
// the files go too: removed by the loader's thread, which is waited for, but not for long.

import type { Logger } from "pino";
import type { Loader } from "../loading/loader.ts";
import type { Listening } from "../loading/messages.ts";

/** What removes the files of this process's sockets. */
const removals = new Set<() => void>();

function removeAll(): void {
  for (const remove of removals) remove();
}

/** All of a monitor. */
export class SocketFiles {
  readonly #files: readonly SocketFile[];

  constructor(
    loader: Loader,
    admin: Listening | undefined,
    listening: Listening | undefined,
    tenants: readonly { readonly listening: Listening }[],
  ) {
    const all = [admin, listening, ...tenants.map((each) => each.listening)];
    this.#files = all.flatMap((each) => (each === undefined ? [] : [new SocketFile(loader, each)]));
  }

  async remove(log: Logger): Promise<void> {
    for (const file of this.#files) await file.remove(log);
  }
}

class SocketFile {
  readonly #loader: Loader;
  readonly #listening: Listening;
  readonly #remove: () => void;

  constructor(loader: Loader, listening: Listening) {
    this.#loader = loader;
    this.#listening = listening;
    this.#remove = () => loader.unlinkNow(listening);
    if (removals.size === 0) process.prependListener("exit", removeAll);
    removals.add(this.#remove);
  }

  /** Once, while it is listened on: so no other monitor takes it over meanwhile. */
  async remove(log: Logger): Promise<void> {
    try {
      await this.#loader.unlink(this.#listening);
    } catch (error) {
      log.warn(`the socket's file stays: ${(error as Error).message}`);
    }
    // Not before: the process may end meanwhile.
    removals.delete(this.#remove);
    if (removals.size === 0) process.off("exit", removeAll);
  }
}
