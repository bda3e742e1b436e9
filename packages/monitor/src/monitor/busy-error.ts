// More is asked of a monitor at once than it does: whoever asks may do so again.

export class BusyError extends Error {
  override readonly name: string = "BusyError";
  readonly code: "ERR_RINGWAY_BUSY" = "ERR_RINGWAY_BUSY";
}
