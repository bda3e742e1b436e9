// Where things lie in a region, by what the host says of it (PROTOCOL.md section 4).
// Invariant: every place was checked to lie in the region before it is used (TRU-6).

#include "internal.h"

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
int32_t rwi_check_version(const struct rw_guest *guest) {
  const uint32_t *sb = rwi_superblock(guest);
  if (rwi_load(sb, SB_MAGIC_LOW) != RWI_MAGIC_LOW || rwi_load(sb, SB_MAGIC_HIGH) != RWI_MAGIC_HIGH) return RW_BAD_MAGIC;
  return rwi_load(sb, SB_VERSION_MAJOR) != RW_VERSION_MAJOR ? RW_BAD_VERSION : RW_OK;
}

// The words that are constant while one monitor serves the region (SB-1): for each epoch anew (ATT-4).
int32_t rwi_read_layout(struct rw_guest *guest) {
  const uint32_t *sb = rwi_superblock(guest);
  int32_t status = rwi_check_version(guest);
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
