// The superblock, attach and epochs (PROTOCOL.md sections 4.2, 20, 22).
//
//   DETACHED -- rw_guest_attach --> WAITING -- reply, READY --> ATTACHED -- other epoch, RESETTING, ABSENT --> LOST
//                                   BLAMED <------- FAILED -------┘                          (attach again: WAITING)
//
// Invariant: nothing beyond the superblock is touched but in ATTACHED (ATT-1). The host writes the lines 0x000, 0x080
// and 0x180; this file writes 0x100 and 0x200.

#include "internal.h"

uint32_t rw_guest_bytes(void) { return (uint32_t)sizeof(struct rw_guest); }
uint32_t rw_stream_bytes(void) { return (uint32_t)sizeof(struct rw_stream); }
uint32_t rw_version(void) { return RW_VERSION_MAJOR << 16 | RW_VERSION_MINOR; }

// ATT-2: neither of the two that are found there, and not 0; at most three steps. `largest` is the largest value: tests
// go through all pairs of a smaller one.
uint32_t rwi_next_attach_request(uint32_t request, uint32_t reply, uint32_t largest) {
  uint32_t next = request;
  do next = next == largest ? 1 : next + 1;
  while (next == reply);
  return next;
}

int32_t rw_guest_init(struct rw_guest *guest, void *region, uint32_t pages, struct rw_stream *streams, uint32_t slots,
                      void *scratch, uint32_t scratch_bytes) {
  if (!guest || !region || (rwi_size)region % 4 != 0 || !scratch || scratch_bytes < 128) return RW_INVALID;
  if ((slots != 0 && !streams) || slots > RW_MAX_STREAM_ID) return RW_INVALID;
  __builtin_memset(guest, 0, sizeof *guest);
  guest->region = region;
  guest->streams = streams;
  guest->slots = slots;
  guest->scratch = scratch;
  guest->scratch_bytes = scratch_bytes;
  guest->next_request = guest->next_stream_request = 1;
  rwi_streams_init(guest);
  guest->mapped_pages = pages;
  int32_t status = pages < 1 ? RW_BAD_SIZE : rwi_read_layout(guest);
  if (status != RW_OK) guest->pages = guest->mapped_pages = 0; // attach is then refused
  return status;
}

void rw_guest_bell(struct rw_guest *guest, void (*ring)(void *context), void *context) {
  guest->ring = ring;
  guest->ring_context = context;
}

void rw_guest_clock(struct rw_guest *guest, uint32_t (*now_us)(void *context), void *context) {
  guest->now_us = now_us;
  guest->clock_context = context;
}

// ── Attach and epochs ───────────────────────────────────────────────────────────────────────────────────────────────

static void end_epoch(struct rw_guest *guest, uint32_t state) {
  guest->state = state;
  guest->serial++;
  guest->asleep = 0;
  guest->top_bits = guest->middle_bits = guest->leaf_bits = 0;
  guest->ask_request = guest->ask_answered = 0;
  guest->control_due = guest->control_full = guest->any_due = 0;
  rwi_streams_lost(guest);
}

int32_t rw_guest_attach(struct rw_guest *guest) {
  if (guest->mapped_pages == 0) return RW_STATE;
  uint32_t *sb = rwi_superblock(guest);
  int32_t status = rwi_check_version(guest); // another monitor may be of another version (VER-1)
  if (status != RW_OK) return status;
  end_epoch(guest, RW_GUEST_WAITING);
  guest->broken = 0;
  uint32_t request =
      rwi_next_attach_request(rwi_load(sb, SB_ATTACH_REQUEST), rwi_load(sb, SB_ATTACH_REPLY), 0xffffffffu);
  guest->attach_request = request;
  rwi_store(sb, SB_GUEST_STATE, GUEST_ATTACHING);
  rwi_store(sb, SB_GUEST_VERSION_MINOR, RW_VERSION_MINOR);
  rwi_store(sb, SB_FEATURES_ACCEPTED, 0);
  rwi_store(sb, SB_ATTACH_REQUEST, request);
  rwi_ring(guest);
  return RW_OK;
}

// ATT-4. The monitor that answered may be another than the one whose words were read before.
static int32_t begin_epoch(struct rw_guest *guest) {
  uint32_t *sb = rwi_superblock(guest);
  guest->epoch = rwi_load(sb, SB_EPOCH);
  int32_t status = rwi_read_layout(guest);
  if (status != RW_OK) {
    if (rwi_load(sb, SB_EPOCH) == guest->epoch) return rwi_check(guest, status);
    // Half of one monitor's words and half of its successor's are nobody's violation.
    status = rw_guest_attach(guest);
    return status == RW_OK ? RW_AGAIN : rwi_check(guest, status);
  }
  guest->state = RW_GUEST_ATTACHED;
  rwi_pipe_init(guest, &guest->requests, &guest->replies, guest->control_page, guest->control_to_host_bytes,
                guest->control_to_guest_bytes);
  rwi_control_begin(guest);
  rwi_store(sb, SB_GUEST_STATE, GUEST_ATTACHED);
  rwi_ring(guest);
  return RW_OK;
}

static int32_t poll_waiting(struct rw_guest *guest, uint32_t host) {
  switch (host) {
    case RW_HOST_READY:
    case RW_HOST_DRAINING:
      return begin_epoch(guest);
    case RW_HOST_FAILED:
      end_epoch(guest, RW_GUEST_BLAMED);
      return RW_FAILED;
    case RW_HOST_RESETTING: {
      // The monitor that answered is gone, and its successor takes this request for an old one: ask it anew.
      int32_t status = rw_guest_attach(guest);
      return status == RW_OK ? RW_AGAIN : rwi_check(guest, status);
    }
    default:
      return RW_AGAIN;
  }
}

int32_t rw_poll(struct rw_guest *guest) {
  if (guest->broken) return guest->broken;
  const uint32_t *sb = rwi_superblock(guest);
  if (guest->state == RW_GUEST_WAITING) {
    // The reply first: a host stores its state before it, so with the reply comes a state that is no older (ATT-3).
    int answered = rwi_load(sb, SB_ATTACH_REPLY) == guest->attach_request;
    uint32_t host = rwi_load(sb, SB_HOST_STATE);
    if (host > RW_HOST_FAILED) return rwi_check(guest, RW_BAD_SUPERBLOCK);
    if (answered) return poll_waiting(guest, host);
    // The monitor waits, and may not have heard the ring: a byte channel loses what is sent before it is connected
    // (ATT-4).
    if (host == RW_HOST_RESETTING) rwi_ring(guest);
    return RW_AGAIN;
  }
  if (guest->state == RW_GUEST_ATTACHED) {
    uint32_t host = rwi_load(sb, SB_HOST_STATE);
    int same_epoch = rwi_load(sb, SB_EPOCH) == guest->epoch;
    if (host > RW_HOST_FAILED) return rwi_check(guest, RW_BAD_SUPERBLOCK);
    if (same_epoch && (host == RW_HOST_READY || host == RW_HOST_DRAINING)) return RW_OK;
    end_epoch(guest, same_epoch && host == RW_HOST_FAILED ? RW_GUEST_BLAMED : RW_GUEST_LOST); // ATT-8
  }
  if (guest->state == RW_GUEST_LOST) return RW_LOST;
  return guest->state == RW_GUEST_BLAMED ? RW_FAILED : RW_STATE;
}

int32_t rw_guest_detach(struct rw_guest *guest) {
  if (guest->mapped_pages == 0) return RW_STATE;
  end_epoch(guest, RW_GUEST_DETACHED);
  rwi_store(rwi_superblock(guest), SB_GUEST_STATE, GUEST_DETACHED);
  rwi_ring(guest);
  return RW_OK;
}

uint32_t rw_guest_state(const struct rw_guest *guest) { return guest->state; }
uint32_t rw_guest_epoch(const struct rw_guest *guest) { return guest->epoch; }
uint32_t rw_guest_host_state(const struct rw_guest *guest) {
  return guest->mapped_pages == 0 ? RW_HOST_ABSENT : rwi_load(rwi_superblock(guest), SB_HOST_STATE);
}
uint32_t rw_guest_violation(const struct rw_guest *guest) {
  return guest->mapped_pages == 0 ? 0 : rwi_load(rwi_superblock(guest), SB_VIOLATION);
}

uint32_t rw_guest_host_version(const void *region) {
  const uint32_t *sb = region;
  return rwi_load(sb, SB_VERSION_MAJOR) << 16 | (rwi_load(sb, SB_VERSION_MINOR) & 0xffff);
}
