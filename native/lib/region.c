// The superblock, attach and epochs (PROTOCOL.md sections 4.2, 16, 18).
//
//   DETACHED -- rw_guest_attach --> WAITING -- reply, READY --> ATTACHED -- other epoch, RESETTING, ABSENT --> LOST
//                                   BLAMED <------- FAILED -------┘                          (attach again: WAITING)
//
// Invariant: nothing beyond the superblock is touched but in ATTACHED (ATT-1), and every place used was checked to lie
// in the region (TRU-6). The host writes the lines 0x000, 0x080 and 0x180; this file writes 0x100 and 0x200.

#include "internal.h"

uint32_t rw_guest_bytes(void) { return (uint32_t)sizeof(struct rw_guest); }
uint32_t rw_stream_bytes(void) { return (uint32_t)sizeof(struct rw_stream); }
uint32_t rw_version(void) { return RW_VERSION_MAJOR << 16 | RW_VERSION_MINOR; }

int32_t rwi_check(struct rw_guest *guest, int32_t status) {
  if (status <= RW_BAD_SUPERBLOCK && status > RW_SYSTEM && guest->broken == 0) guest->broken = status;
  return status;
}

// ── What the host says of itself ────────────────────────────────────────────────────────────────────────────────────

static int32_t check_pages(const struct rw_guest *guest, uint32_t page, uint32_t pages) {
  return page == 0 || page > guest->pages || pages > guest->pages - page ? RW_BAD_PLACE : RW_OK;
}

static int bad_capacity(uint32_t bytes) {
  return bytes < RW_RING_BYTES_MIN || bytes > RW_RING_BYTES_MAX || (bytes & (bytes - 1)) != 0;
}

int32_t rwi_check_place(const struct rw_guest *guest, uint32_t page, uint32_t to_host_bytes, uint32_t to_guest_bytes) {
  if (bad_capacity(to_host_bytes) || bad_capacity(to_guest_bytes)) return RW_BAD_PLACE; // PIPE-3
  return check_pages(guest, page, 1 + (to_host_bytes + to_guest_bytes) / RW_PAGE_BYTES);
}

// PIPE-1: a header page, then the two data areas. The place was checked.
void rwi_pipe_init(struct rw_guest *guest, struct rw_producer *to_host, struct rw_consumer *to_guest, uint32_t page,
                   uint32_t to_host_bytes, uint32_t to_guest_bytes) {
  uint8_t *header = guest->region + (rwi_size)page * RW_PAGE_BYTES;
  uint8_t *data = header + RW_PAGE_BYTES;
  rwi_producer_init(to_host, header, data, to_host_bytes, 0);
  rwi_consumer_init(to_guest, header, data + to_host_bytes, to_guest_bytes, 0);
}

// SB-2: before anything else. Nothing is known of the region but that a page of it is there.
static int32_t check_version(const struct rw_guest *guest) {
  const uint32_t *sb = rwi_superblock(guest);
  if (rwi_load(sb, SB_MAGIC_LOW) != RWI_MAGIC_LOW || rwi_load(sb, SB_MAGIC_HIGH) != RWI_MAGIC_HIGH) return RW_BAD_MAGIC;
  return rwi_load(sb, SB_VERSION_MAJOR) != RW_VERSION_MAJOR ? RW_BAD_VERSION : RW_OK;
}

// The words that are constant while one monitor serves the region (SB-1): for each epoch anew (ATT-4).
static int32_t read_layout(struct rw_guest *guest) {
  const uint32_t *sb = rwi_superblock(guest);
  int32_t status = check_version(guest);
  if (status != RW_OK) return status;
  uint32_t region_pages = rwi_load(sb, SB_REGION_PAGES);
  if (region_pages == 0 || region_pages > guest->mapped_pages) return RW_BAD_SIZE;
#if __SIZEOF_SIZE_T__ < 8
  if (region_pages > (rwi_size)-1 / RW_PAGE_BYTES) return RW_BAD_SIZE;
#endif
  guest->pages = region_pages;
  guest->max_stream_id = rwi_min(rwi_load(sb, SB_MAX_STREAM_ID), RW_MAX_STREAM_ID);
  uint32_t bell_page = rwi_load(sb, SB_BELL_PAGE);
  if (check_pages(guest, bell_page, BELL_PAGES) != RW_OK) return RW_BAD_PLACE;
  uint8_t *bells = guest->region + (rwi_size)bell_page * RW_PAGE_BYTES;
  guest->bell_to_host = (uint32_t *)(void *)bells;
  guest->bell_to_guest = (uint32_t *)(void *)(bells + BELL_TO_GUEST);
  guest->control_page = rwi_load(sb, SB_CONTROL_PAGE);
  guest->control_to_host_bytes = rwi_load(sb, SB_CONTROL_TO_HOST_BYTES);
  guest->control_to_guest_bytes = rwi_load(sb, SB_CONTROL_TO_GUEST_BYTES);
  return rwi_check_place(guest, guest->control_page, guest->control_to_host_bytes, guest->control_to_guest_bytes);
}

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
  int32_t status = pages < 1 ? RW_BAD_SIZE : read_layout(guest);
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
  int32_t status = check_version(guest); // another monitor may be of another version (VER-1)
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
  int32_t status = read_layout(guest);
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

const char *rw_status_name(int32_t status) {
  static const struct {
    int32_t status;
    const char *name;
  } names[] = {
#define NAME(x) {x, #x}
      NAME(RW_OK),           NAME(RW_AGAIN),       NAME(RW_END),       NAME(RW_CLOSED),      NAME(RW_RESET),
      NAME(RW_REFUSED),      NAME(RW_LOST),        NAME(RW_FAILED),    NAME(RW_INVALID),     NAME(RW_STATE),
      NAME(RW_TOO_LONG),     NAME(RW_NO_SLOT),     NAME(RW_BUSY),      NAME(RW_BAD_SUPERBLOCK),
      NAME(RW_BAD_POSITION), NAME(RW_BAD_FLAG),    NAME(RW_BAD_LENGTH), NAME(RW_BAD_TYPE),
      NAME(RW_BAD_PAYLOAD),  NAME(RW_BAD_STATE),   NAME(RW_BAD_MAGIC), NAME(RW_BAD_VERSION), NAME(RW_BAD_SIZE),
      NAME(RW_BAD_PLACE),    NAME(RW_SYSTEM),
#undef NAME
  };
  for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (names[i].status == status) return names[i].name;
  return "?";
}
