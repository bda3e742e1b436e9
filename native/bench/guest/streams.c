// Streams of a guest: asked for (section 9), opened (sections 10, 11, 14, 16, 18 and 19), and their bytes.

#include "guest.h"

struct stream *by_id[RW_MAX_STREAM_ID + 1];
struct frame frame;

// CTL-2. The request id is the caller's, to know the reply by.
void request_stream(uint32_t slot) {
  const uint32_t wishes[2] = {load.ring_bytes, load.ring_bytes};
  // At most OPENS_AT_ONCE requests of 20 bytes are on their way.
  if (checked(rwi_writable(&requests)) < FRAME_HEADER + sizeof wishes) FAIL("the control pipe is full");
  if (rwi_produced(&requests, frame_put(&requests, RW_T_NEW_STREAM, slot, wishes, sizeof wishes))) {
    bell_signal(&to_host, 0);
  }
}

// CTL-3: the next StreamInfo, as streams[its request id]. NULL: there is none yet.
struct stream *next_stream(struct stream *streams, uint32_t count) {
  if (checked(frame_peek(&replies, &frame)) == 0) return NULL;
  if (rwi_consumed(&replies, FRAME_HEADER + frame.bytes)) bell_signal(&to_host, 0);
  if (frame.type == RW_T_ERROR) {
    errno = frame.bytes >= 4 ? (int)rwi_u32(frame.payload) : EPROTO;
    die("NewStream");
  }
  if (frame.type != RW_T_STREAM_INFO || frame.bytes != 20 || frame.request >= count) FAIL("a bad StreamInfo");
  const uint32_t id = rwi_u32(frame.payload);
  const struct place place = {rwi_u32(frame.payload + 8), rwi_u32(frame.payload + 12),
                              rwi_u32(frame.payload + 16)};
  check_place(&place);
  if (id == 0 || id > RW_MAX_STREAM_ID || by_id[id] != NULL) FAIL("stream id %u", id);
  struct stream *s = &streams[frame.request];
  *s = (struct stream){.id = id, .sequence = s->sequence};
  guest_rings(&s->out, &s->in, region, &place);
  by_id[id] = s;
  return s;
}

static void put_open_body(struct payload *body) {
  if (load.read_bytes > 0) {  // MNT-1: the folder of the file
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", (int)(file_name(load.path) - load.path), load.path);
    put_u32(body, RW_MOUNT);
    put_text(body, folder);
  } else if (load.path != NULL) {  // FST-1
    put_u32(body, RW_FILE_STREAM);
    put_u32(body, 1);  // read
    put_u32(body, 1);  // READ
    put_u32(body, 0);
    put_u64(body, 0);
    put_u64(body, (1ull << 53) - 1);
    put_text(body, load.path);
  } else if (load.echo_protocol) {  // STR-9
    put_u32(body, RW_ECHO);
  } else if (load.unix_path != NULL) {  // UNX-1
    put_u32(body, RW_UNIX_CONNECT);
    put_u32(body, 1);  // STREAM
    put_u32(body, 0);
    put_text(body, load.unix_path);
  } else {  // TCP-1, UDP-1
    put_u32(body, load.datagram_bytes > 0 ? RW_UDP_CONNECT : RW_TCP_CONNECT);
    put_u32(body, load.port);
    put_u32(body, 0);
    put_text(body, "127.0.0.1");
  }
}

// STR-1, and `ahead` bytes right behind it (STR-3).
void send_open(struct stream *s, const void *ahead, uint32_t bytes) {
  struct payload body = {0};
  put_open_body(&body);
  const uint32_t length = frame_put(&s->out, RW_T_OPEN, 1, body.bytes, body.length);
  rwi_put(&s->out, length, ahead, bytes);
  checked(rwi_want_data(&s->in));  // left set for good: RING-9
  if (rwi_produced(&s->out, length + bytes)) bell_signal(&to_host, s->id);
}

// STR-2. True once Opened has come; Refused ends the program.
bool take_opened(struct stream *s) {
  if (s->opened) return true;
  if (checked(frame_peek(&s->in, &frame)) == 0) {
    if (checked(rwi_peer_closed(&s->in)) == CLOSED_RESET) FAIL("stream %u was reset", s->id);
    return false;
  }
  if (rwi_consumed(&s->in, FRAME_HEADER + frame.bytes)) bell_signal(&to_host, s->id);
  if (frame.type == RW_T_REFUSED && frame.bytes >= 12) {
    errno = (int)rwi_u32(frame.payload);
    die("refused");
  }
  if (frame.type != RW_T_OPENED) FAIL("expected Opened, got type %x", frame.type);
  if (load.path != NULL && frame.bytes >= 8) memcpy(&s->opened_bytes, frame.payload, 8);  // FST-2
  s->opened = true;
  return true;
}

void open_streams(struct stream *streams, uint32_t count) {
  for (uint32_t requested = 0, opened = 0; opened < count;) {
    while (requested < count && requested - opened < OPENS_AT_ONCE) request_stream(requested++);
    const uint32_t pending = wait_pending();
    for (uint32_t i = 0; i < pending; i++) {
      struct stream *s = by_id[ids[i]];
      if (ids[i] == 0) {
        while ((s = next_stream(streams, count)) != NULL) send_open(s, NULL, 0);
      } else if (s != NULL && !s->opened && take_opened(s)) {
        opened++;
      }
    }
  }
}

void end_output(struct stream *s) {
  rwi_producer_close(&s->out, CLOSED_END);
  bell_signal(&to_host, s->id);
}

// Closes both ends; the block is the host's from here on (STR-7).
void close_stream(struct stream *s) {
  rwi_producer_close(&s->out, CLOSED_END);
  rwi_consumer_close(&s->in);
  bell_signal(&to_host, s->id);
  by_id[s->id] = NULL;
}

// Waits for bytes; returns how many there are, 0 for END (closed seen, THEN empty seen: RING-6).
uint32_t await_data(struct stream *s) {
  for (;;) {
    const uint32_t closed = checked(rwi_peer_closed(&s->in));
    const uint32_t readable = checked(rwi_readable(&s->in));
    if (closed == CLOSED_RESET) FAIL("stream %u was reset", s->id);
    if (readable > 0 || closed == CLOSED_END) return readable;
    wait_pending();
  }
}

void take_bytes(struct stream *s, void *target, uint32_t bytes) {
  rwi_peek(&s->in, 0, target, bytes);
  if (rwi_consumed(&s->in, bytes)) bell_signal(&to_host, s->id);
}

void take_exactly(struct stream *s, void *target, uint32_t bytes) {
  for (uint32_t done = 0; done < bytes;) {
    const uint32_t part = min_u32(await_data(s), bytes - done);
    if (part == 0) FAIL("stream %u ended early", s->id);
    take_bytes(s, (uint8_t *)target + done, part);
    done += part;
  }
}

void put_message(struct stream *s, const void *source, uint32_t bytes) {
  rwi_put(&s->out, 0, source, bytes);
  if (rwi_produced(&s->out, bytes)) bell_signal(&to_host, s->id);
}
