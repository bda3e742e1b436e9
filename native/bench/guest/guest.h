// The load generator inside a guest, its parts: see main.c.

#ifndef RINGWAY_BENCH_GUEST_H
#define RINGWAY_BENCH_GUEST_H

#include "../load.h"
#include "../ring.h"

enum { OPENS_AT_ONCE = 64 };

struct stream {
  uint32_t id;
  struct rw_producer out;  // toHost
  struct rw_consumer in;   // toGuest
  bool opened;
  uint32_t sequence;
  uint64_t opened_bytes;  // file-stream: what the host will send
};

extern struct load load;                         // the options
extern struct frame frame;                       // the one that is looked at
extern uint16_t ids[RW_MAX_STREAM_ID + 1];       // of wait_pending()
extern struct stream *by_id[RW_MAX_STREAM_ID + 1];

// ERR-5: a violation by the host ends the guest.
static inline uint32_t checked(int32_t result) {
  if (result < 0) FAIL("the host broke the protocol");
  return (uint32_t)result;
}

// attach.c
extern int attach_socket;
extern uint8_t *region;
extern uint32_t region_pages;
extern struct bell to_host, to_guest;
extern struct rw_producer requests;
extern struct rw_consumer replies;
void attach(void);
void detach(void);  // ATT-7
void leave(void);   // lets go of all that it has of the attachment
void check_place(const struct place *place);
uint32_t wait_pending(void);  // until streams are pending; how many of `ids`. May return 0
uint32_t wait_pending_for(int milliseconds);  // no longer than that

// streams.c
void request_stream(uint32_t slot);
struct stream *next_stream(struct stream *streams, uint32_t count);
void send_open(struct stream *s, const void *ahead, uint32_t bytes);
bool take_opened(struct stream *s);
void open_streams(struct stream *streams, uint32_t count);
void end_output(struct stream *s);
void close_stream(struct stream *s);
uint32_t await_data(struct stream *s);
void take_bytes(struct stream *s, void *target, uint32_t bytes);
void take_exactly(struct stream *s, void *target, uint32_t bytes);
void put_message(struct stream *s, const void *source, uint32_t bytes);

// bulk.c, messages.c, udp.c, mount.c: the modes
void bulk_out(struct stream *s);
void bulk_in(struct stream *s);
void file(void);
void rtt(struct stream *s);
void echo(struct stream *streams);
void rate(struct stream *streams);
void udp(struct stream *s);
void mount_read(struct stream *s);

#endif
