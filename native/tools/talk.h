// One stream for a program that does one thing: through the agent's service socket where there is one, or as a guest of
// its own.
//
// Either way the calls are those of ringway.h, with the same results: RW_AGAIN means talk_wait(). Through the agent, a
// buffer of this side stands for each ring; the bytes are the same ones (docs/agent.md).

#ifndef RINGWAY_TALK_H
#define RINGWAY_TALK_H

#include "ringway-posix.h"
#include "wire.h"

#define TALK_SERVICE "/run/ringway.sock"

#define TALK_NOWHERE "no agent and no monitor here: --service, --socket, or RINGWAY_SOCKET in the environment"

struct talk_options {
  const char *socket, *region, *channel, *service;
  uint32_t busy_poll_us, timeout_ms;
};
#define TALK_OPTIONS {.busy_poll_us = 50, .timeout_ms = 10000}
// Those of rwcat and rwfs that say where the host is, for their --help.
#define TALK_USAGE                                                                       \
  "      --service PATH       the agent's socket; /run/ringway.sock if it is there\n"    \
  "  -s, --socket PATH        instead: the monitor's attach socket; $RINGWAY_SOCKET\n"   \
  "  -r, --region FILE        instead: the shared memory, as a file or a device to map,\n" \
  "  -c, --channel FILE         and the byte channel that is its bell\n"                 \
  "  -b, --busy-poll-us N     look for work that long before sleeping; 50 if not given\n" \
  "  -t, --timeout-ms N       for attaching and connecting; 10000 if not given\n"

// Takes `name` and its value. 1: taken; 0: not one of these; -1: the value is missing, or no number.
int talk_option(struct talk_options *options, const char *name, const char *value);
// NULL, or what is wrong with them.
const char *talk_check(const struct talk_options *options);

// Finds the host: RW_OK, or a status, with RW_SYSTEM as in ringway-posix.h. RW_STATE: nothing says where it is.
int32_t talk_attach(const struct talk_options *options);
// For words about a status; also how to wait, to poll and to leave where this is a guest of its own.
struct rw_posix *talk_posix(void);
void talk_leave(void);

struct talk {
  struct rw_stream *stream, *listener; // or NULL: through the agent
  uint32_t error;                      // errno of a refusal
  struct wire wire;
};

// A stream of about this capacity, and its Open. Waits for the former. RW_REFUSED: talk->error.
int32_t talk_open(struct talk *talk, uint32_t ring_bytes, uint32_t protocol, const void *body, uint32_t body_bytes);
// The host's answer, which also lies in `answer`: RW_OK, RW_REFUSED, RW_AGAIN, ...
int32_t talk_opened(struct talk *talk, struct rw_frame *answer);

// Of one that is opened as a listener: waits for a connection, and becomes that. talk_accepted() is asked like
// talk_opened().
int32_t talk_accept(struct talk *talk, uint32_t ring_bytes);
int32_t talk_accepted(struct talk *talk, struct rw_frame *answer);

int32_t talk_send_span(struct talk *talk, void **at);
int32_t talk_send_commit(struct talk *talk, uint32_t count);
int32_t talk_recv_span(struct talk *talk, void **at);
int32_t talk_recv_commit(struct talk *talk, uint32_t count);
void talk_recv_pause(struct talk *talk);
int32_t talk_request(struct talk *talk, uint32_t type, const void *payload, uint32_t bytes); // an id above 0
int32_t talk_tell(struct talk *talk, uint32_t type, const void *fields, uint32_t fields_bytes, const void *data,
                  uint32_t data_bytes);
int32_t talk_frame(struct talk *talk, struct rw_frame *frame);
void talk_end(struct talk *talk);
int32_t talk_drain(struct talk *talk); // waits until what was sent is on its way
int32_t talk_poll(struct talk *talk);  // RW_OK, or why nothing will come any more
void talk_close(struct talk *talk);

// Waits for the host, or for one of `fds`. RW_OK or a status. `receives`: also for bytes from the host.
int32_t talk_wait(struct talk *talk, struct pollfd *fds, uint32_t count, int receives);
// Exit, over the control pipe: RW_OK when it is on its way.
int32_t talk_exit(uint32_t code);

#endif
