// Reads of a file by a mount (section 19): --depth of them at a time, each of --read-bytes, which are more than one
// MountRead where they are more than it takes. The time goes on until all have come back.

#include "guest.h"

#include "../reads.h"

enum { PART_BYTES = 64 * KIB, READS_MAX = 64 };

// FRM-5: of Opened, and of MountHandle behind the handle.
enum { ATTRIBUTES_SIZE = 8 * 4 };

static uint32_t handle;
static struct {
  uint64_t offset;
  uint32_t parts_left;
} under_way[READS_MAX];

// The next frame, copied out.
static void await_frame(struct stream *s) {
  while (checked(frame_peek(&s->in, &frame)) == 0) {
    if (checked(rwi_peer_closed(&s->in)) != CLOSED_OPEN) FAIL("the monitor closed the mount");
    wait_pending();
  }
  if (rwi_consumed(&s->in, FRAME_HEADER + frame.bytes)) bell_signal(&to_host, s->id);
  if (frame.type == RW_T_ERROR && frame.bytes >= 4) {
    errno = (int)rwi_u32(frame.payload);
    die("a request of the mount");
  }
}

// Size of the file.
static uint64_t open_file(struct stream *s) {
  struct payload body = {0};
  put_u32(&body, 0);
  put_u32(&body, 1);  // READ
  put_u32(&body, 0);
  put_text(&body, file_name(load.path));
  const uint32_t bytes_put = frame_put(&s->out, RW_T_MOUNT_OPEN, 1, body.bytes, body.length);
  if (rwi_produced(&s->out, bytes_put)) bell_signal(&to_host, s->id);
  await_frame(s);
  if (frame.type != RW_T_MOUNT_HANDLE || frame.bytes < 4 + ATTRIBUTES_SIZE + 8) FAIL("a frame of type %x", frame.type);
  handle = rwi_u32(frame.payload);
  uint64_t bytes;
  memcpy(&bytes, frame.payload + 4 + ATTRIBUTES_SIZE, sizeof bytes);
  return bytes;
}

static uint32_t part_bytes(uint32_t part) { return min_u32(PART_BYTES, load.read_bytes - part * PART_BYTES); }

// MNT-9, under the number of the read and of its part.
static void begin_read(struct stream *s, uint32_t number, uint64_t offset) {
  const uint32_t parts = (load.read_bytes + PART_BYTES - 1) / PART_BYTES;
  under_way[number].offset = offset;
  under_way[number].parts_left = parts;
  uint32_t bytes = 0;
  for (uint32_t part = 0; part < parts; part++) {
    const uint64_t from = offset + (uint64_t)part * PART_BYTES;
    // READS_MAX of them fit the smallest ring.
    const uint32_t request[] = {16, RW_T_MOUNT_READ, number * READS_MAX + part, handle, (uint32_t)from,
                                (uint32_t)(from >> 32), part_bytes(part)};
    rwi_put(&s->out, bytes, request, sizeof request);
    bytes += sizeof request;
  }
  if (rwi_produced(&s->out, bytes)) bell_signal(&to_host, s->id);
}

void mount_read(struct stream *s) {
  const uint32_t parts = (load.read_bytes + PART_BYTES - 1) / PART_BYTES;
  if (load.depth == 0 || parts == 0 || load.depth * parts > READS_MAX) FAIL("--depth or --read-bytes");
  struct reads reads = begin_reads(open_file(s), load.read_bytes, load.sequential, 1);
  uint64_t total = 0;
  const uint64_t start = now_ns(), end = start + load.milliseconds * 1000000u;
  for (uint32_t i = 0; i < load.depth; i++) begin_read(s, i, next_read(&reads));
  for (uint32_t flying = load.depth; flying > 0;) {
    await_frame(s);
    const uint32_t number = frame.request / READS_MAX, part = frame.request % READS_MAX;
    if (frame.type != RW_T_DATA || number >= load.depth || part >= parts) FAIL("a frame of type %x", frame.type);
    if (frame.bytes != part_bytes(part)) FAIL("%u bytes came", frame.bytes);
    if (load.verify && !pattern_holds(frame.payload, under_way[number].offset + part * PART_BYTES, frame.bytes)) {
      FAIL("bytes differ near %ju", (uintmax_t)under_way[number].offset);
    }
    total += frame.bytes;
    if (--under_way[number].parts_left > 0) continue;
    if (now_ns() >= end) flying--;
    else begin_read(s, number, next_read(&reads));
  }
  report_bytes(total, seconds_since(start));
}
