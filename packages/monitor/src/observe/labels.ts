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
  readonly #labels: Map<string, Labelled> = new Map();

  set(tenant: string, labels: Labels | undefined): void {
    if (labelBytes(labels) === 0) this.#labels.delete(tenant);
    else this.#labels.set(tenant, { labels: labels! });
  }

  delete(tenant: string): void {
    this.#labels.delete(tenant);
  }

  /** Of the guest with this name: as fields, none where it has none. */
  of(guest: string): Labelled {
    if (this.#labels.size === 0) return NONE;
    return this.#labels.get(guest) ?? this.#labels.get(guest.replace(NUMBERED, "")) ?? NONE;
  }
}

/** How much longer they make a line; 0 where there are none. */
export function labelBytes(labels: Labels | undefined): number {
  if (labels === undefined || Object.keys(labels).length === 0) return 0;
  return AROUND_BYTES + Buffer.byteLength(JSON.stringify(labels));
}
