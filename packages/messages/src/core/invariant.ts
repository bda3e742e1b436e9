// What must always hold, said in code: each class whose head names an invariant has a method invariants() that throws
// where it does not. Tests call it after every step.

/** A bug of ours, or of a codec's: state that contradicts itself, whatever the peer does. */
class BrokenInvariant extends Error {
  override readonly name: string = "BrokenInvariant";
  readonly code: "ERR_MESSAGES_INVARIANT" = "ERR_MESSAGES_INVARIANT";
}

/** Throws BrokenInvariant where it does not hold. `what`: what must, as a statement. */
export function invariant(holds: boolean, what: string): void {
  if (!holds) throw new BrokenInvariant(`it does not hold that ${what}`);
}
