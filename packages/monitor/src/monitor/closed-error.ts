// What is asked of a monitor that is closed, or closes.

export class ClosedError extends Error {
  readonly code: "ERR_RINGWAY_CLOSED" = "ERR_RINGWAY_CLOSED";

  constructor() {
    super("the monitor is closed");
  }
}
