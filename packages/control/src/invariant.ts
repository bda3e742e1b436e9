// What must always hold, said in code: each class whose head names an invariant has a method invariants() that throws
// where it does not. Tests, the model and the simulator call it after every step; a program, where it is told to.

/** A bug of ours: private state that contradicts itself, whatever the other side does. */
export class BrokenInvariant extends Error {
  override readonly name: string = "BrokenInvariant";
  readonly code: "ERR_RINGWAY_INVARIANT" = "ERR_RINGWAY_INVARIANT";
}

/** Throws BrokenInvariant where it does not hold. `what`: what must, as a statement. */
export function invariant(holds: boolean, what: string): void {
  if (!holds) throw new BrokenInvariant(`it does not hold that ${what}`);
}
