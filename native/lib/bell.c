// The bell towards the host: one for however many pipes (PROTOCOL.md section 6). The other direction is pending.c.
//
//   leaf bit, then middle bit, then top bit, then: asleep exchanged 1 -> 0? ring (BELL-3)

#include "internal.h"

// Whatever the asleep word says: attach and every change of the superblock (BELL-7).
void rwi_ring(struct rw_guest *guest) {
  if (guest->ring) guest->ring(guest->ring_context);
  else guest->rings++;
}

void rwi_signal(struct rw_guest *guest, uint32_t id) {
  uint32_t *bell = guest->bell_to_host;
  uint32_t leaf = id >> 5, middle = id >> 10;
  uint32_t leaf_bit = 1u << (id & 31), middle_bit = 1u << (leaf & 31);
  if (rwi_or(bell, BELL_LEAF + 4 * leaf, leaf_bit) & leaf_bit) return;
  if (!(rwi_or(bell, BELL_MIDDLE + 4 * middle, middle_bit) & middle_bit)) rwi_or(bell, BELL_TOP, 1u << middle);
  if (rwi_load(bell, BELL_ASLEEP) != 0 && rwi_exchange(bell, BELL_ASLEEP, 0) != 0) rwi_ring(guest);
}

uint32_t rw_take_rings(struct rw_guest *guest) {
  uint32_t rings = guest->rings;
  guest->rings = 0;
  return rings;
}
