// The doorbell as the guest has it: how it wakes the host, and how it is told that it was rung.

/** What a bell tells its guest. */
export interface BellListener {
  /** It was rung: look at the superblock and at the pending words. May be called when there is nothing. */
  bell(): void;
  /** The host's side of the bell is gone, and so is the monitor. */
  gone(reason: Error): void;
}

/**
 * A pair of doorbells. For a guest that is a process this is an EventfdBell, made by Guest.attach(socketPath); for a
 * VM a ByteChannelBell, made by Guest.attach({ ivshmem: true }). A test brings its own.
 */
export interface GuestBell {
  /** Wakes the host. Must not block. */
  ring(): void;
  /** Starts to report. Called once, before the first ring(). */
  listen(listener: BellListener): void;
  /** Stops to report and lets go of everything; ring() does nothing afterwards. */
  close(): void;
  /** Where letting go takes longer than close(): resolves when it is done. */
  readonly closed?: Promise<void>;
  /** While referenced, the bell keeps the process alive; it starts unreferenced. */
  ref?(): void;
  unref?(): void;
}
