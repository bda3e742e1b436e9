// The C reference relay, its parts: see main.c.

#ifndef RINGWAY_BENCH_RELAY_H
#define RINGWAY_BENCH_RELAY_H

#include "../ring.h"

enum {
  EVENTS = 256,
  // As much as there is: half as much again as with 256 KiB at a time. The socket takes what fits.
  SEND_BYTES = MIB,
  RECEIVE_BYTES = 128 * KIB,
  // What one stream may move before others have their turn.
  STEP_BYTES = MIB,
  CONTROL_RING_BYTES = 64 * KIB,
  DEFAULT_RING_BYTES = 256 * KIB,
  REPLY_BYTES = 128,
  // udp-connect takes datagrams only while the largest fits, and waits for half the ring.
  UDP_RING_BYTES_MIN = 256 * KIB,
};

// Page 0 is the superblock.
enum { BELL_PAGE = 1, CONTROL_PAGE = BELL_PAGE + BELL_PAGES };

enum kind { LISTENER, GUEST_SOCKET, GUEST_BELL, STREAM };

// What an epoll event is about.
struct source {
  enum kind kind;
  void *owner;
};

// FRESH: no Open yet. CONNECTING: Open seen, connect() under way. ECHO, TCP, UDP: running. OVER: this side has closed
// both.
enum state { FRESH, CONNECTING, ECHO, TCP, UDP, OVER };

struct stream {
  struct source source;
  struct guest *guest;
  struct place place;
  uint32_t id, open_request;
  enum state state;
  struct rw_consumer in;   // toHost
  struct rw_producer out;  // toGuest
  int socket;
  bool readable, writable, hung_up;
  bool queued, released;
  bool blocked;         // UDP: room to send is watched for, which tells of every datagram that has left
  uint32_t drops;       // UDP: of the kernel's, as far as they are told
  struct stream *next;  // in the run queue, or among the released
};

struct block {
  uint32_t page, pages;
  struct block *next;
};

struct guest {
  struct source socket_source, bell_source;
  struct guest *next;
  int socket, wake, region_fd;
  uint8_t *region;
  uint32_t pages, epoch, attach_reply, host_state;
  bool gone;
  struct bell to_host, to_guest;
  struct place control_place;
  struct rw_consumer requests;
  struct rw_producer replies;
  struct stream *streams[RW_MAX_STREAM_ID + 1];
  uint32_t generations[RW_MAX_STREAM_ID + 1];
  uint16_t free_ids[RW_MAX_STREAM_ID + 1];
  uint32_t free_id_count, next_id;
  uint32_t next_page;
  struct block *free_blocks;
};

struct relay_options {
  const char *path;
  uint64_t busy_poll_ns, region_bytes;
  uint32_t ring_bytes;
};
extern struct relay_options options;
extern struct frame frame;  // the one that is looked at

// watch.c
extern int epoll_fd;
void watch(int fd, uint32_t events, struct source *source);
void rewatch(int fd, uint32_t events, struct source *source);

// guests.c
extern struct guest *guests;
void add_guest(int socket);
void check_guest(struct guest *g);  // after every ring
void end_guest(struct guest *g, const char *why);
void take_pending(struct guest *g);
void remove_gone_guests(void);

// control.c
void write_header(struct guest *g, uint32_t page, uint32_t id, uint32_t generation);
const char *step_control(struct guest *g);  // NULL, or what clause the guest broke

// streams.c
void forget_stream(struct stream *s);
void step(struct stream *s);
bool has_queue(void);
void run_queue(void);
void free_released(void);

// closing.c
void close_in(struct stream *s);
void close_out(struct stream *s, uint32_t how);

// pump.c and udp.c: what they tell their stream.
enum result { WAITING, BUDGET_USED, BROKEN };
enum result pump_out(struct stream *s);
enum result pump_in(struct stream *s);
enum result pump_echo(struct stream *s);
enum result send_datagrams(struct stream *s);
enum result receive_datagrams(struct stream *s);
int open_datagrams(const struct sockaddr_in *address);  // a socket, connected; below 0: errno

#endif
