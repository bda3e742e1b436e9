// What is pending for us, and sleep (PROTOCOL.md section 6): the bell towards the guest.
//
//   asleep = 1, look at top again, wait, asleep = 0 (BELL-5); take top, middle, leaf (BELL-4)
//
// Invariant: a bit that was taken from the region and not yet given out is in guest->{top,middle,leaf}_bits. A word
// below a bit kept there is still in the region: whoever finds its own bit set in it knows that it will be taken
// (BELL-6).

#include "internal.h"

// ── Taking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

// After waking, for whatever reason.
void rwi_awake(struct rw_guest *guest) {
  if (!guest->asleep) return;
  guest->asleep = 0;
  rwi_store(guest->bell_to_guest, BELL_ASLEEP, 0);
}

static int kept(const struct rw_guest *guest) {
  return (guest->top_bits | guest->middle_bits | guest->leaf_bits) != 0;
}

// What an earlier call has kept comes first, before anything signalled meanwhile: so ids that are always busy starve
// none.
void rwi_take_begin(struct rw_guest *guest) {
  if (kept(guest) || rwi_load(guest->bell_to_guest, BELL_TOP) == 0) return;
  guest->top_bits = rwi_exchange(guest->bell_to_guest, BELL_TOP, 0);
}

static uint32_t take_lowest(uint32_t *bits) {
  uint32_t lowest = (uint32_t)__builtin_ctz(*bits);
  *bits &= *bits - 1;
  return lowest;
}

// At most 32768 steps from one rwi_take_begin() to RWI_NONE, whoever fills the bitmap: each word is taken once.
uint32_t rwi_take_next(struct rw_guest *guest) {
  uint32_t *bell = guest->bell_to_guest;
  while (guest->leaf_bits == 0) {
    while (guest->middle_bits == 0) {
      if (guest->top_bits == 0) return RWI_NONE;
      guest->middle_index = take_lowest(&guest->top_bits);
      guest->middle_bits = rwi_exchange(bell, BELL_MIDDLE + 4 * guest->middle_index, 0);
    }
    guest->leaf_index = 32 * guest->middle_index + take_lowest(&guest->middle_bits);
    guest->leaf_bits = rwi_exchange(bell, BELL_LEAF + 4 * guest->leaf_index, 0);
  }
  return 32 * guest->leaf_index + take_lowest(&guest->leaf_bits);
}

int32_t rw_take_pending(struct rw_guest *guest, uint32_t *slots, uint32_t most) {
  int32_t status = rw_poll(guest);
  if (status != RW_OK) return status;
  if (most == 0 || slots == 0) return RW_INVALID;
  rwi_awake(guest);
  rwi_store(rwi_superblock(guest), SB_GUEST_HEARTBEAT, ++guest->heartbeat); // SB-6
  uint32_t count = 0;
  if (guest->any_due) {
    guest->any_due = 0;
    for (uint32_t slot = 0; slot < guest->slots; slot++) {
      if (!guest->streams[slot].due) continue;
      if (count == most) {
        guest->any_due = 1;
        break;
      }
      guest->streams[slot].due = 0;
      slots[count++] = slot;
    }
  }
  if (guest->control_due && count < most) {
    status = rwi_control_step(guest, slots + count, most - count);
    if (status < 0) return rwi_check(guest, status);
    count += (uint32_t)status;
  }
  rwi_take_begin(guest);
  while (count < most) {
    uint32_t id = rwi_take_next(guest);
    if (id == RWI_NONE) break;
    if (id == 0) {
      status = rwi_control_step(guest, slots + count, most - count);
      if (status < 0) return rwi_check(guest, status);
      count += (uint32_t)status;
    } else {
      struct rw_stream *stream = rwi_stream_by_id(guest, id); // none: ignored (BELL-4)
      if (stream) slots[count++] = rw_stream_slot(stream);
    }
  }
  return (int32_t)count;
}

int32_t rw_pending(struct rw_guest *guest) {
  if (guest->state != RW_GUEST_ATTACHED || guest->broken) return 0;
  return guest->any_due || guest->control_due || kept(guest) || rwi_load(guest->bell_to_guest, BELL_TOP) != 0;
}

// Before the attach is answered the bell area is the host's (ATT-5), and it rings unconditionally.
int32_t rw_prepare_sleep(struct rw_guest *guest) {
  if (guest->state != RW_GUEST_ATTACHED || guest->broken) return 1;
  guest->asleep = 1;
  rwi_store(guest->bell_to_guest, BELL_ASLEEP, 1);
  if (!rw_pending(guest)) return 1;
  rwi_awake(guest);
  return 0;
}

// ── Busy polling ────────────────────────────────────────────────────────────────────────────────────────────────────

enum { CREDIT_FULL = 16, CREDIT_GAIN = 4, SKIP = 32 };

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || (defined(__arm__) && __ARM_ARCH >= 7)
  __asm__ __volatile__("yield" ::: "memory");
#endif
}

// Each time that pays earns CREDIT_GAIN, each that does not costs 1; without credit only one sleep in SKIP is preceded
// by it.
int32_t rw_busy_poll(struct rw_guest *guest, uint32_t us) {
  if (rw_pending(guest)) return 1;
  if (us == 0 || !guest->now_us || guest->state != RW_GUEST_ATTACHED || guest->broken) return 0;
  if (guest->poll_credit == 0 && ++guest->poll_skipped < SKIP) return 0;
  guest->poll_skipped = 0;
  uint32_t begin = guest->now_us(guest->clock_context);
  do {
    for (int i = 0; i < 16; i++) {
      relax();
      if (!rw_pending(guest)) continue;
      guest->poll_credit = rwi_min(guest->poll_credit + CREDIT_GAIN, CREDIT_FULL);
      return 1;
    }
  } while (guest->now_us(guest->clock_context) - begin < us);
  if (guest->poll_credit > 0) guest->poll_credit--;
  return 0;
}
