// Labels of guests that the host has named: what it wants to know of them beside the name, in every line about them.
// Their own name is that of their attach socket with a number behind it, or that of their virtual machine.

export type Labels = Readonly<Record<string, string>>;

/** As fields of a line. */
interface Labelled {
  readonly labels?: Labels;
}

const NONE: Labelled = {};
/** What stands around them in a line: `,"labels":{}`. */
const AROUND_BYTES = 12;
const NUMBERED = /-\d+$/;

export class GuestLabels {
  readonly #ofVms: Map<string, Labelled> = new Map();
  readonly #ofSockets: Map<string, Labelled> = new Map();

  setVm(name: string, labels: Labels | undefined): void {
    set(this.#ofVms, name, labels);
  }

  /** Guests that have any, by the names that the host has given them. */
  *all(): Generator<readonly [guest: string, labels: Labels]> {
    for (const labelled of [this.#ofVms, this.#ofSockets]) {
      for (const [name, { labels = {} }] of labelled) yield [name, labels];
    }
  }

  deleteVm(name: string): void {
    this.#ofVms.delete(name);
  }

  /** Of an attach socket's guests. */
  setSocket(name: string, labels: Labels | undefined): void {
    set(this.#ofSockets, name, labels);
  }

  /**
   * Of the guest with this name, or of the attach socket: as fields, none where it has none. Only those of a socket
   * have a number: a machine called db-2 has nothing of the machine db.
   */
  of(guest: string): Labelled {
    const labelled = this.#ofVms.get(guest) ?? this.#ofSockets.get(guest);
    if (labelled !== undefined || this.#ofSockets.size === 0) return labelled ?? NONE;
    return this.#ofSockets.get(guest.replace(NUMBERED, "")) ?? NONE;
  }
}

function set(all: Map<string, Labelled>, name: string, labels: Labels | undefined): void {
  if (labels === undefined || labelBytes(labels) === 0) all.delete(name);
  else all.set(name, { labels });
}

/** How much longer they make a line; 0 where there are none. */
export function labelBytes(labels: Labels | undefined): number {
  if (labels === undefined || Object.keys(labels).length === 0) return 0;
  return AROUND_BYTES + Buffer.byteLength(JSON.stringify(labels));
}
