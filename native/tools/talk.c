// One stream, through the agent or as a guest: see talk.h.

#define _GNU_SOURCE
#include "talk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "words.h"

enum { STREAMS = 2, SMALL_RING_BYTES = 1 << 16, LINUX_ENOMEM = 12 };

static struct rw_posix posix;
static struct rw_stream streams[STREAMS];
static const char *service; // through the agent

struct rw_posix *talk_posix(void) { return &posix; }

// ── Where the host is ───────────────────────────────────────────────────────────────────────────────────────────────

static int number(const char *text, uint32_t *value) {
  uint32_t sum = 0;
  for (const char *at = text; *at; at++) {
    if (*at < '0' || *at > '9' || sum > 100000000) return -1;
    sum = sum * 10 + (uint32_t)(*at - '0');
  }
  *value = sum;
  return *text == 0 ? -1 : 1;
}

int talk_option(struct talk_options *options, const char *name, const char *value) {
  static const char *const names[][2] = {{"-s", "--socket"},  {"-r", "--region"},       {"-c", "--channel"},
                                         {"--service", NULL}, {"-b", "--busy-poll-us"}, {"-t", "--timeout-ms"}};
  size_t which = 0;
  for (; which < sizeof names / sizeof names[0]; which++)
    if (strcmp(name, names[which][0]) == 0 || (names[which][1] && strcmp(name, names[which][1]) == 0)) break;
  if (which == sizeof names / sizeof names[0]) return 0;
  if (!value) return -1;
  const char **texts[] = {&options->socket, &options->region, &options->channel, &options->service};
  if (which >= 4) return number(value, which == 4 ? &options->busy_poll_us : &options->timeout_ms);
  *texts[which] = value;
  return 1;
}

const char *talk_check(const struct talk_options *options) {
  if ((options->region == NULL) != (options->channel == NULL)) return "--region and --channel go together";
  return NULL;
}

static int is_socket(const char *path) {
  struct stat stat_of;
  return stat(path, &stat_of) == 0 && S_ISSOCK(stat_of.st_mode);
}

// What was said comes first, then the environment, then what there is: an agent, or the devices of a virtual machine.
int32_t talk_attach(const struct talk_options *options) {
  char region[160], channel[160];
  const char *path = options->socket;
  int32_t status = RW_STATE;
  if (!path && !options->region && !options->service) path = getenv("RINGWAY_SOCKET");
  if (path && *path == 0 && !options->socket) path = NULL; // of the environment: as good as none
  if (options->region) {
    status = rw_posix_attach_file(&posix, options->region, options->channel, streams, STREAMS,
                                  (int)options->timeout_ms);
  } else if (path) {
    status = rw_posix_attach_socket(&posix, path, streams, STREAMS, (int)options->timeout_ms);
  } else if (options->service || is_socket(TALK_SERVICE)) {
    service = options->service ? options->service : TALK_SERVICE;
    return RW_OK;
  } else if (rw_posix_find_region(region, sizeof region) &&
             rw_posix_find_port(RW_POSIX_PORT_NAME, channel, sizeof channel)) {
    status = rw_posix_attach_file(&posix, region, channel, streams, STREAMS, (int)options->timeout_ms);
  }
  posix.busy_poll_us = options->busy_poll_us;
  return status;
}

void talk_leave(void) {
  if (posix.region) rw_posix_detach(&posix);
}

static int32_t failed(const char *what, int error) {
  posix.what = what;
  posix.error = error;
  posix.absent = 0;
  return RW_SYSTEM;
}

// ── Opening ─────────────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t new_stream(struct talk *talk, uint32_t ring_bytes) {
  for (;;) {
    int32_t slot = rw_stream_new(&posix.guest, ring_bytes, ring_bytes);
    if (slot < 0) return slot;
    talk->stream = rw_stream_at(&posix.guest, (uint32_t)slot);
    while (rw_stream_state(talk->stream) == RW_STREAM_ASKED) {
      int32_t status = rw_posix_wait(&posix, NULL, 0, -1);
      if (status < 0) return status;
    }
    if (rw_stream_state(talk->stream) == RW_STREAM_FRESH) return RW_OK;
    talk->error = rw_stream_error(talk->stream);
    rw_close(talk->stream);
    talk->stream = NULL;
    if (talk->error != LINUX_ENOMEM || ring_bytes <= SMALL_RING_BYTES) return RW_REFUSED;
    ring_bytes = SMALL_RING_BYTES;
  }
}

int32_t talk_open(struct talk *talk, uint32_t ring_bytes, uint32_t protocol, const void *body, uint32_t body_bytes) {
  memset(talk, 0, offsetof(struct talk, wire.in));
  talk->wire.fd = -1;
  if (!service) {
    int32_t status = new_stream(talk, ring_bytes);
    return status == RW_OK ? rw_open(talk->stream, protocol, body, body_bytes) : status;
  }
  talk->wire.fd = wire_connect(service);
  if (talk->wire.fd < 0) return failed(service, errno);
  uint8_t fields[4];
  put_word(fields, protocol);
  int32_t sent = wire_send(&talk->wire, RW_T_OPEN, fields, sizeof fields, body, body_bytes);
  return sent > 0 ? RW_OK : sent;
}

static int32_t refused(struct talk *talk, const struct rw_frame *answer) {
  struct rw_error error;
  if (rw_decode_error(answer->payload, answer->bytes, &error) != RW_OK) return RW_BAD_TYPE;
  talk->error = error.error;
  return RW_REFUSED;
}

int32_t talk_opened(struct talk *talk, struct rw_frame *answer) {
  if (talk->stream) {
    int32_t status = rw_opened(talk->stream, answer, NULL, 0);
    if (status == RW_REFUSED) talk->error = rw_stream_error(talk->stream);
    return status;
  }
  int32_t status = wire_next(&talk->wire, answer);
  if (status == RW_END) return RW_RESET; // the agent went
  if (status != RW_OK) return status;
  if (answer->request != talk->wire.request) return RW_BAD_STATE;
  if (answer->type == RW_T_OPENED) return RW_OK;
  return answer->type == RW_T_REFUSED ? refused(talk, answer) : RW_BAD_TYPE;
}

int32_t talk_accept(struct talk *talk, uint32_t ring_bytes) {
  if (!talk->stream) return RW_OK; // the agent has posted it
  talk->listener = talk->stream;
  int32_t status = new_stream(talk, ring_bytes);
  return status == RW_OK ? rw_accept(talk->listener, talk->stream) : status;
}

int32_t talk_accepted(struct talk *talk, struct rw_frame *answer) {
  int32_t status = talk->stream ? rw_opened(talk->stream, answer, NULL, 0) : wire_next(&talk->wire, answer);
  if (!talk->stream && status == RW_OK && answer->type == RW_T_REFUSED) return refused(talk, answer);
  if (!talk->stream && status == RW_OK)
    return answer->type == RW_T_INCOMING || answer->type == RW_T_UNIX_INCOMING ? RW_OK : RW_BAD_TYPE;
  if (!talk->stream) return status == RW_END ? RW_RESET : status;
  if (status == RW_OK) {
    rw_close(talk->listener);
    talk->listener = NULL;
  }
  if (status != RW_AGAIN) return status;
  // Errors that the listener tells of: of our Accept, or of an accept(2) that the host tries again (LSN-5).
  while ((status = rw_frame_next(talk->listener, answer, NULL, 0)) == RW_OK) {
    struct rw_error error;
    if (answer->type != RW_T_ERROR || rw_decode_error(answer->payload, answer->bytes, &error) != RW_OK)
      return RW_BAD_TYPE;
    talk->error = error.error;
    if (answer->request == rw_stream_request(talk->stream)) return RW_REFUSED;
  }
  return status == RW_END ? RW_RESET : status;
}

// ── Talking ─────────────────────────────────────────────────────────────────────────────────────────────────────────

int32_t talk_send_span(struct talk *talk, void **at) {
  if (talk->stream) return rw_send_span(talk->stream, at);
  int32_t status = wire_flush(&talk->wire);
  if (status != RW_OK) return status;
  *at = talk->wire.out;
  return sizeof talk->wire.out;
}

int32_t talk_send_commit(struct talk *talk, uint32_t count) {
  if (talk->stream) return rw_send_commit(talk->stream, count);
  talk->wire.out_at = 0;
  talk->wire.out_bytes = count;
  int32_t status = wire_flush(&talk->wire);
  return status == RW_AGAIN || status == RW_OK ? (int32_t)count : status;
}

int32_t talk_recv_span(struct talk *talk, void **at) {
  if (talk->stream) return rw_recv_span(talk->stream, at);
  if (talk->wire.in_bytes == 0) {
    talk->wire.in_at = 0;
    int32_t status = wire_fill(&talk->wire);
    if (status != RW_OK) return status;
  }
  *at = talk->wire.in + talk->wire.in_at;
  return (int32_t)talk->wire.in_bytes;
}

int32_t talk_recv_commit(struct talk *talk, uint32_t count) {
  if (talk->stream) return rw_recv_commit(talk->stream, count);
  wire_consume(&talk->wire, count);
  return (int32_t)count;
}

void talk_recv_pause(struct talk *talk) {
  if (talk->stream) rw_recv_pause(talk->stream);
}

int32_t talk_request(struct talk *talk, uint32_t type, const void *payload, uint32_t bytes) {
  if (talk->stream) return rw_request(talk->stream, type, payload, bytes);
  return wire_send(&talk->wire, type, payload, bytes, NULL, 0);
}

int32_t talk_tell(struct talk *talk, uint32_t type, const void *fields, uint32_t fields_bytes, const void *data,
                  uint32_t data_bytes) {
  if (talk->stream) return rw_tell(talk->stream, type, fields, fields_bytes, data, data_bytes);
  return wire_tell(&talk->wire, type, fields, fields_bytes, data, data_bytes);
}

int32_t talk_frame(struct talk *talk, struct rw_frame *frame) {
  if (talk->stream) return rw_frame_next(talk->stream, frame, NULL, 0);
  return wire_next(&talk->wire, frame);
}

void talk_end(struct talk *talk) {
  talk->wire.ended = 1;
  if (talk->stream) rw_end(talk->stream);
  else wire_flush(&talk->wire);
}

int32_t talk_drain(struct talk *talk) {
  while (!talk->stream && talk->wire.out_bytes > 0) {
    int32_t status = talk_wait(talk, NULL, 0, 0);
    if (status != RW_OK) return status;
  }
  return RW_OK;
}

int32_t talk_poll(struct talk *talk) {
  if (talk->stream) return rw_poll(&posix.guest);
  wire_flush(&talk->wire);
  return RW_OK;
}

void talk_close(struct talk *talk) {
  if (talk->listener) rw_close(talk->listener);
  talk->listener = NULL;
  if (talk->stream) rw_close(talk->stream);
  else if (talk->wire.fd >= 0) close(talk->wire.fd);
  talk->stream = NULL;
  talk->wire.fd = -1;
}

// ── Waiting ─────────────────────────────────────────────────────────────────────────────────────────────────────────

int32_t talk_wait(struct talk *talk, struct pollfd *fds, uint32_t count, int receives) {
  if (talk->stream) {
    int32_t status = rw_posix_wait(&posix, fds, count, -1);
    return status < 0 ? status : RW_OK;
  }
  struct pollfd all[RW_POSIX_FDS_MAX + 1];
  if (count > RW_POSIX_FDS_MAX) return RW_INVALID;
  if (count > 0) memcpy(all + 1, fds, count * sizeof *fds);
  all[0] = (struct pollfd){.fd = talk->wire.fd};
  if (receives) all[0].events |= POLLIN;
  if (talk->wire.out_bytes > 0) all[0].events |= POLLOUT;
  if (all[0].events == 0) all[0].fd = -1; // its hang-up is told when it is read
  int ready = poll(all, count + 1, -1);
  if (ready < 0 && errno != EINTR) return failed("poll", errno);
  for (uint32_t i = 0; i < count; i++) fds[i].revents = ready < 0 ? 0 : all[i + 1].revents;
  if (all[0].revents != 0) wire_flush(&talk->wire);
  return RW_OK;
}

int32_t talk_exit(uint32_t code) {
  if (!service) {
    int32_t status = rw_exit(&posix.guest, code);
    // The host takes requests in order: what comes back says that it has seen this one.
    if (status == RW_OK) status = rw_ping(&posix.guest, NULL, 0);
    struct rw_frame pong;
    while (status == RW_OK && (status = rw_control_reply(&posix.guest, &pong, NULL, 0)) == RW_AGAIN)
      if ((status = rw_posix_wait(&posix, NULL, 0, -1)) >= 0) status = RW_OK;
    return status;
  }
  static struct talk talk;
  uint8_t payload[4];
  put_word(payload, code);
  talk.wire.fd = wire_connect(service);
  if (talk.wire.fd < 0) return failed(service, errno);
  int32_t status = wire_send(&talk.wire, RW_T_EXIT, payload, sizeof payload, NULL, 0);
  if (status < 0) return status;
  while ((status = wire_fill(&talk.wire)) == RW_AGAIN)
    if ((status = talk_wait(&talk, NULL, 0, 1)) != RW_OK) break;
  close(talk.wire.fd);
  return status == RW_END ? RW_OK : status == RW_OK ? RW_BAD_STATE : status;
}
