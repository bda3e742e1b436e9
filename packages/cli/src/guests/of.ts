// Whose a line of a log, or an event, is: a guest has a name, and each process at its socket has that and a number.

/** Of the guest itself, or of a process at its socket: web-1. */
export function isOf(name: string, wanted: string): boolean {
  return name === wanted || (name.startsWith(`${wanted}-`) && /^\d+$/.test(name.slice(wanted.length + 1)));
}
