// Guests: the attach socket's hello (section 21), epochs (section 20), what is pending, and the end.

#include "relay.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

struct guest *guests;

void end_guest(struct guest *g, const char *why) {
  if (g->gone) return;
  g->gone = true;
  if (why != NULL) fprintf(stderr, "relay: guest ended: %s\n", why);
}

static void store_superblock(struct guest *g, uint32_t offset, uint32_t value) {
  rwi_store(words_at(g->region, 0), offset, value);
}

static void set_host_state(struct guest *g, uint32_t state) {
  g->host_state = state;
  store_superblock(g, SB_HOST_STATE, state);
  bell_ring(&g->to_guest);
}

static void drop_streams(struct guest *g) {
  for (uint32_t id = 1; id < g->next_id; id++) {
    if (g->streams[id] != NULL) forget_stream(g->streams[id]);
  }
  while (g->free_blocks != NULL) {
    struct block *next = g->free_blocks->next;
    free(g->free_blocks);
    g->free_blocks = next;
  }
  g->free_id_count = 0;
  g->next_id = 1;
  g->next_page = CONTROL_PAGE + (uint32_t)pipe_pages(CONTROL_RING_BYTES, CONTROL_RING_BYTES);
}

// ATT-3.
static void begin_epoch(struct guest *g, uint32_t request) {
  drop_streams(g);
  memset(g->region + (size_t)BELL_PAGE * PAGE, 0, BELL_PAGES * PAGE);
  write_header(g, CONTROL_PAGE, 0, 0);
  to_host_consumer(&g->requests, g->region, &g->control_place);
  to_guest_producer(&g->replies, g->region, &g->control_place);
  rwi_want_data(&g->requests);
  store_superblock(g, SB_EPOCH, ++g->epoch);
  store_superblock(g, SB_VIOLATION, 0);
  g->attach_reply = request;
  store_superblock(g, SB_ATTACH_REPLY, request);
  set_host_state(g, RW_HOST_READY);
}

// After every ring (BELL-7).
void check_guest(struct guest *g) {
  const uint32_t *superblock = words_at(g->region, 0);
  const uint32_t request = rwi_load(superblock, SB_ATTACH_REQUEST);
  const uint32_t state = rwi_load(superblock, SB_GUEST_STATE);
  if (request != g->attach_reply) {
    begin_epoch(g, request);
  } else if (state > GUEST_ATTACHED) {
    end_guest(g, "SB-5");
  } else if (state == GUEST_DETACHED) {
    drop_streams(g);
  }
}

void take_pending(struct guest *g) {
  static uint16_t ids[RW_MAX_STREAM_ID + 1];
  if (g->host_state != RW_HOST_READY || g->gone) return;
  const uint32_t count = bell_take(&g->to_host, ids);
  for (uint32_t i = 0; i < count && !g->gone; i++) {
    struct stream *s = g->streams[ids[i]];
    if (ids[i] == 0) {
      const char *broken = step_control(g);
      if (broken != NULL) end_guest(g, broken);
    } else if (s != NULL) {
      step(s);
    }
  }
}

static void send_hello(struct guest *g) {
  const uint32_t hello[HELLO_WORDS] = {RWI_MAGIC_LOW, RWI_MAGIC_HIGH, RW_VERSION_MAJOR, RW_VERSION_MINOR, 0, g->pages};
  const int descriptors[HELLO_DESCRIPTORS] = {g->region_fd, g->to_host.event, g->to_guest.event};
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof descriptors)] = {0};
  struct iovec part = {.iov_base = (void *)hello, .iov_len = sizeof hello};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptors);
  memcpy(CMSG_DATA(header), descriptors, sizeof descriptors);
  if (sendmsg(g->socket, &message, MSG_NOSIGNAL) < 0) end_guest(g, "hello cannot be sent");
}

void add_guest(int socket) {
  struct guest *g = allocate(sizeof *g);
  g->socket = socket;
  g->socket_source = (struct source){GUEST_SOCKET, g};
  g->bell_source = (struct source){GUEST_BELL, g};
  g->pages = (uint32_t)(options.region_bytes / PAGE);
  g->region_fd = memfd_create("ringway", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (g->region_fd < 0 || ftruncate(g->region_fd, (off_t)options.region_bytes) != 0) die("memfd");
  if (fcntl(g->region_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) die("cannot seal");  // REG-3
  g->region = mmap(NULL, options.region_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, g->region_fd, 0);
  if (g->region == MAP_FAILED) die("mmap");
  uint8_t *bells = g->region + (size_t)BELL_PAGE * PAGE;
  g->to_host = (struct bell){words_at(bells, BELL_TO_HOST), eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  g->to_guest = (struct bell){words_at(bells, BELL_TO_GUEST), eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  if (g->to_host.event < 0 || g->to_guest.event < 0) die("eventfd");
  g->control_place = (struct place){CONTROL_PAGE, CONTROL_RING_BYTES, CONTROL_RING_BYTES};

  store_superblock(g, SB_MAGIC_LOW, RWI_MAGIC_LOW);
  store_superblock(g, SB_MAGIC_HIGH, RWI_MAGIC_HIGH);
  store_superblock(g, SB_VERSION_MAJOR, RW_VERSION_MAJOR);
  store_superblock(g, SB_VERSION_MINOR, RW_VERSION_MINOR);
  store_superblock(g, SB_REGION_PAGES, g->pages);
  store_superblock(g, SB_BELL_PAGE, BELL_PAGE);
  store_superblock(g, SB_CONTROL_PAGE, CONTROL_PAGE);
  store_superblock(g, SB_CONTROL_TO_HOST_BYTES, CONTROL_RING_BYTES);
  store_superblock(g, SB_CONTROL_TO_GUEST_BYTES, CONTROL_RING_BYTES);
  store_superblock(g, SB_MAX_STREAM_ID, RW_MAX_STREAM_ID);
  store_superblock(g, SB_EPOCH, ++g->epoch);
  drop_streams(g);
  set_host_state(g, RW_HOST_RESETTING);  // ATT-6

  g->next = guests;
  guests = g;
  watch(socket, EPOLLIN | EPOLLRDHUP, &g->socket_source);
  watch(g->to_host.event, EPOLLIN, &g->bell_source);
  send_hello(g);
}

void remove_gone_guests(void) {
  for (struct guest **at = &guests; *at != NULL;) {
    struct guest *g = *at;
    if (!g->gone) {
      at = &g->next;
      continue;
    }
    *at = g->next;
    drop_streams(g);
    run_queue();  // lets go of streams that were queued
    munmap(g->region, options.region_bytes);
    close(g->region_fd);
    close(g->to_host.event);
    close(g->to_guest.event);
    close(g->socket);
    free(g);
  }
}
