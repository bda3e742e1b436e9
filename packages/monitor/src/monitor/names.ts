// Names for the reactor's thread, which asks for their addresses here: until the reactor is gone, and nobody is left to
// be told.

import type { Logger } from "pino";
import { type Answer, type Lookup, Resolver, type ReverseLookup } from "../names/resolver.ts";
import type { FromReactor, ToReactor } from "../thread/messages.ts";
import { FailedLookups } from "./failed-lookups.ts";

/** How names are looked up. */
export interface LookupParts {
  readonly lookup: Lookup;
  readonly reverse: ReverseLookup;
  /** Ends what the lookup asks for beside the names of guests. */
  readonly lookupEnd: AbortController;
}

export class GuestNames {
  readonly #resolver: Resolver;
  readonly #lookupEnd: AbortController;
  readonly #send: (message: ToReactor) => void;

  constructor({ lookup, reverse, lookupEnd }: LookupParts, log: Logger, send: (message: ToReactor) => void) {
    const failures = new FailedLookups((fields, text) => log.error(fields, text));
    this.#resolver = new Resolver(lookup, reverse, (...failure) => failures.failed(...failure));
    this.#lookupEnd = lookupEnd;
    this.#send = send;
  }

  resolve({ id, guest, name, family, timeoutMs }: Extract<FromReactor, { kind: "resolve" }>): void {
    this.#resolver.resolve({ id, guest, timeoutMs }, name, this.#tell(id), family);
  }

  reverse({ id, guest, address, timeoutMs }: Extract<FromReactor, { kind: "reverse" }>): void {
    this.#resolver.reverse({ id, guest, timeoutMs }, address, this.#tell(id));
  }

  #tell(id: number): (answer: Answer) => void {
    return (answer) => this.#send({ kind: "resolved", id, ...answer });
  }

  cancel(id: number): void {
    this.#resolver.cancel(id);
  }

  /** Lookups that are still under way must not keep the process, and have nobody to tell of their end. */
  end(): void {
    this.#resolver.close();
    this.#lookupEnd.abort();
  }
}
