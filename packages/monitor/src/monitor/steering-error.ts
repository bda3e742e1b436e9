// Why what an operator asks of a monitor cannot be.

/** What was asked for is not there, could be several, is not fit for it, or is one too many. */
export class SteeringError extends Error {
  override readonly name: string = "SteeringError";
  readonly code:
    | "ERR_RINGWAY_NOT_THERE"
    | "ERR_RINGWAY_AMBIGUOUS"
    | "ERR_RINGWAY_NOT_FIT"
    | "ERR_RINGWAY_TOO_MANY";

  constructor(code: SteeringError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/** `what`: "guest web", "stream 1-2-3". */
export function notThere(what: string): SteeringError {
  return new SteeringError("ERR_RINGWAY_NOT_THERE", `there is no ${what}`);
}
