// What time of the reactor's thread costs a key that shares it with others: a clock's milliseconds by these, off its
// slice (quotas.ts). What carries bytes is 1. Dearer is what costs more than the clock shows, and what a guest can ask
// for without end and without a peer that takes it: beside a guest that moves bytes, whoever does nothing but the
// latter has a third of the thread, and not half of it.

export const Price = {
  BYTES: 1,
  /** Datagrams: the kernel handles each once more at its other end, on this machine's time. */
  DATAGRAMS: 1.5,
  /** Requests on the control pipe. */
  CONTROL: 2,
  /** A step in which a stream begins, opens or ends: sockets to unmake and objects to collect come after it. */
  LIFE: 2,
} as const;
