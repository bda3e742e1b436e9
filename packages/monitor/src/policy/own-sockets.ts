// Unix sockets of the monitor's own, which no guest reaches, whatever rules name: the attach sockets, at which it would
// come as another guest, that of the admin API, and the doorbells of VMs, by which it would ring in the name of a
// hypervisor. Which they are is told here; whether a rule leads to one, a disk worker finds out (disk/sockets.ts).

/** The file of an attach socket, from the moment that it was made. */
export interface AttachSocketFile {
  readonly path: string;
  /** Device and inode; undefined where that could not be found out. */
  readonly file: string | undefined;
}

export class OwnSockets {
  readonly #files: readonly string[];
  readonly #paths: readonly string[];
  /** By VM. */
  readonly #doorbells: Map<string, string> = new Map();

  constructor(...listening: readonly (AttachSocketFile | undefined)[]) {
    const sockets = listening.filter((each) => each !== undefined);
    this.#files = sockets.flatMap(({ file }) => file ?? []);
    this.#paths = sockets.map(({ path }) => path);
  }

  addDoorbell(vm: string, path: string): void {
    this.#doorbells.set(vm, path);
  }

  removeDoorbell(vm: string): void {
    this.#doorbells.delete(vm);
  }

  get now(): { readonly files: readonly string[]; readonly paths: readonly string[] } {
    return { files: this.#files, paths: [...this.#paths, ...this.#doorbells.values()] };
  }
}
