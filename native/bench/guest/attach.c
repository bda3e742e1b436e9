// Attached to a monitor, and waiting for its doorbell (PROTOCOL.md sections 21, 20 and 6).

#include "guest.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>

int attach_socket;
uint8_t *region;
uint32_t region_pages;
struct bell to_host, to_guest;
struct rw_producer requests;
struct rw_consumer replies;
uint16_t ids[RW_MAX_STREAM_ID + 1];

static int region_fd, epoll;
static uint32_t epoch;

static uint32_t superblock(uint32_t offset) { return rwi_load(words_at(region, 0), offset); }

static void store_superblock(uint32_t offset, uint32_t value) { rwi_store(words_at(region, 0), offset, value); }

// ── Waiting ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// One wait for the doorbell, or for the attach socket's hang-up (ATT-9); -1: however long.
static void wait_bell(int milliseconds) {
  struct epoll_event event;
  const int count = epoll_wait(epoll, &event, 1, milliseconds);
  if (count < 0 && errno != EINTR) die("epoll_wait");
  if (count == 1 && event.data.fd == attach_socket) FAIL("the monitor hung up");
}

uint32_t wait_pending(void) { return wait_pending_for(-1); }

uint32_t wait_pending_for(int milliseconds) {
  uint32_t count = bell_take(&to_guest, ids);
  if (count > 0) return count;
  if (load.busy_poll_ns > 0) {
    const uint64_t end = now_ns() + load.busy_poll_ns;
    do {
      if (bell_pending(&to_guest)) return bell_take(&to_guest, ids);
      sched_yield();
    } while (now_ns() < end);
  }
  if (bell_prepare_sleep(&to_guest)) {
    wait_bell(milliseconds);
    bell_awake(&to_guest);
    const uint32_t state = superblock(SB_HOST_STATE);  // BELL-7
    if (superblock(SB_EPOCH) != epoch || (state != RW_HOST_READY && state != RW_HOST_DRAINING)) {
      FAIL("the epoch is over: host state %u, violation %u", state, superblock(SB_VIOLATION));
    }
  }
  return bell_take(&to_guest, ids);
}

// ── Attach ──────────────────────────────────────────────────────────────────────────────────────────────────────────

// HEL-1 to HEL-3.
static void receive_hello(void) {
  const struct sockaddr_un address = unix_address(load.attach);
  attach_socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (connect(attach_socket, (const struct sockaddr *)&address, sizeof address) != 0) {
    die("cannot attach to %s", load.attach);
  }
  uint32_t hello[HELLO_WORDS];
  int descriptors[HELLO_DESCRIPTORS];
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof descriptors)];
  struct iovec part = {.iov_base = hello, .iov_len = sizeof hello};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(attach_socket, &message, MSG_CMSG_CLOEXEC) != sizeof hello) die("no hello");
  if (hello[0] != RWI_MAGIC_LOW || hello[1] != RWI_MAGIC_HIGH) FAIL("this is no monitor");
  if (hello[2] != RW_VERSION_MAJOR) FAIL("the monitor speaks version %u, this guest %u", hello[2], RW_VERSION_MAJOR);
  if (hello[4] != 0) {
    errno = (int)hello[4];
    die("turned away");
  }
  const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header == NULL || header->cmsg_len != CMSG_LEN(sizeof descriptors)) FAIL("the hello has no descriptors");
  memcpy(descriptors, CMSG_DATA(header), sizeof descriptors);
  region_pages = hello[5];
  const size_t bytes = (size_t)region_pages * PAGE;
  struct stat status;
  if (fstat(descriptors[0], &status) != 0 || (size_t)status.st_size < bytes) FAIL("the region is not all there");
  if ((fcntl(descriptors[0], F_GET_SEALS) & F_SEAL_SHRINK) == 0) FAIL("the region is not sealed");
  region = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptors[0], 0);
  if (region == MAP_FAILED) die("mmap");
  region_fd = descriptors[0];
  to_host.event = descriptors[1];
  to_guest.event = descriptors[2];
}

// TRU-6, PIPE-3.
void check_place(const struct place *place) {
  const uint32_t capacities[2] = {place->to_host_bytes, place->to_guest_bytes};
  for (int i = 0; i < 2; i++) {
    const uint32_t capacity = capacities[i];
    if (capacity < RW_RING_BYTES_MIN || capacity > RW_RING_BYTES_MAX || (capacity & (capacity - 1)) != 0) {
      FAIL("a ring of %u bytes", capacity);
    }
  }
  if (place->page == 0 || place->page + pipe_pages(capacities[0], capacities[1]) > region_pages) {
    FAIL("a block outside the region");
  }
}

// ATT-2 and ATT-4.
void attach(void) {
  receive_hello();
  if (superblock(SB_MAGIC_LOW) != RWI_MAGIC_LOW || superblock(SB_MAGIC_HIGH) != RWI_MAGIC_HIGH) FAIL("no region");
  const uint32_t bell_page = superblock(SB_BELL_PAGE);
  if (bell_page == 0 || (uint64_t)bell_page + BELL_PAGES > region_pages) FAIL("bells outside the region");
  uint8_t *bells = region + (size_t)bell_page * PAGE;
  to_host.area = words_at(bells, BELL_TO_HOST);
  to_guest.area = words_at(bells, BELL_TO_GUEST);
  const struct place control = {superblock(SB_CONTROL_PAGE), superblock(SB_CONTROL_TO_HOST_BYTES),
                                superblock(SB_CONTROL_TO_GUEST_BYTES)};
  check_place(&control);

  // Edge-triggered, so that the counter need never be read.
  epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event bell = {.events = EPOLLIN | EPOLLET, .data.fd = to_guest.event};
  struct epoll_event hang_up = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = attach_socket};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, to_guest.event, &bell) != 0) die("epoll_ctl");
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, attach_socket, &hang_up) != 0) die("epoll_ctl");

  const uint32_t reply = superblock(SB_ATTACH_REPLY), mine = superblock(SB_ATTACH_REQUEST);
  uint32_t request = (reply > mine ? reply : mine) + 1;
  while (request == 0 || request == reply || request == mine) request++;
  store_superblock(SB_GUEST_STATE, GUEST_ATTACHING);
  store_superblock(SB_GUEST_VERSION_MINOR, RW_VERSION_MINOR);
  store_superblock(SB_ATTACH_REQUEST, request);
  bell_ring(&to_host);
  while (superblock(SB_ATTACH_REPLY) != request || superblock(SB_HOST_STATE) != RW_HOST_READY) wait_bell(-1);
  epoch = superblock(SB_EPOCH);
  guest_rings(&requests, &replies, region, &control);
  checked(rwi_want_data(&replies));  // left set for good: RING-9
  store_superblock(SB_GUEST_STATE, GUEST_ATTACHED);
  bell_ring(&to_host);
}

// ATT-7.
void detach(void) {
  store_superblock(SB_GUEST_STATE, GUEST_DETACHED);
  bell_ring(&to_host);
}

// All that it has of the attachment.
void leave(void) {
  munmap(region, (size_t)region_pages * PAGE);
  const int descriptors[] = {epoll, region_fd, to_host.event, to_guest.event, attach_socket};
  for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++) close(descriptors[i]);
}
