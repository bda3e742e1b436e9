/**
 * What a piece costs of a step's budget at the least, in bytes. A system call for one byte takes as long as one for
 * some KiB, and who fills or empties the ring beside this thread can see to it that every piece is as small: a step's
 * budget in bytes alone would last for a million of them.
 */
export const PIECE_COST_BYTES: number = 8 * 1024;
