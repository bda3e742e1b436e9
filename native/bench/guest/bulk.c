// Bulk: bytes to a sink, from a source, of a file.

#include "guest.h"

static uint8_t scratch[WRITE_BYTES];

void bulk_out(struct stream *s) {
  const uint64_t start = now_ns();
  for (uint64_t sent = 0; sent < load.bytes;) {
    const uint32_t bytes = min_u32(next_write(&load, load.bytes - sent), s->out.capacity);
    if (load.verify) pattern_fill(scratch, sent, bytes);
    while (checked(rwi_writable(&s->out)) < bytes) {
      const uint32_t good_part = s->out.capacity / 2;
      if (checked(rwi_want_space(&s->out, bytes > good_part ? bytes : good_part)) == 0) wait_pending();
      rwi_unwant_space(&s->out);
      if (checked(rwi_abandoned(&s->out)) != 0) FAIL("the sink closed early");
    }
    put_message(s, scratch, bytes);
    sent += bytes;
  }
  end_output(s);
  uint64_t confirmed;
  take_exactly(s, &confirmed, sizeof confirmed);
  check_confirmation(confirmed, load.bytes);
  if (await_data(s) != 0) FAIL("bytes after the confirmation");
  report_bytes(load.bytes, seconds_since(start));
}

// Everything up to END: copied out, or used in place, as the peer of file-stream read leaves its bytes in shared
// memory.
static uint64_t drain(struct stream *s, bool in_place) {
  uint64_t got = 0;
  for (uint32_t readable; (readable = await_data(s)) > 0;) {
    if (in_place && !load.verify) {
      if (rwi_consumed(&s->in, readable)) bell_signal(&to_host, s->id);
      got += readable;
      continue;
    }
    const uint32_t bytes = min_u32(readable, next_write(&load, WRITE_BYTES));
    take_bytes(s, scratch, bytes);
    if (load.verify && !pattern_holds(scratch, got, bytes)) FAIL("bytes differ near %ju", (uintmax_t)got);
    got += bytes;
  }
  return got;
}

void bulk_in(struct stream *s) {
  const uint64_t start = now_ns();
  put_message(s, &load.bytes, sizeof load.bytes);
  const uint64_t got = drain(s, false);
  if (got != load.bytes) FAIL("%ju bytes of %ju came", (uintmax_t)got, (uintmax_t)load.bytes);
  report_bytes(got, seconds_since(start));
}

// The whole of a file, --passes times, each by a stream of its own.
void file(void) {
  uint64_t total = 0;
  const uint64_t start = now_ns();
  for (uint32_t pass = 0; pass < load.passes; pass++) {
    struct stream s = {0};
    open_streams(&s, 1);
    const uint64_t got = drain(&s, true);
    if (got != s.opened_bytes) FAIL("%ju bytes of %ju came", (uintmax_t)got, (uintmax_t)s.opened_bytes);
    close_stream(&s);
    total += got;
  }
  report_bytes(total, seconds_since(start));
}
