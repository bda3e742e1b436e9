// The control pipe (section 9): NewStream and Ping. Here the region's pages and the stream ids are given out.

#include "relay.h"

struct frame frame;

static uint32_t choose_capacity(uint32_t wanted) {
  if (wanted == 0) wanted = DEFAULT_RING_BYTES;
  uint32_t capacity = RW_RING_BYTES_MIN;
  while (capacity < wanted && capacity < options.ring_bytes) capacity *= 2;
  return capacity;
}

// Page number, or 0 where there is no room. Blocks are reused by their exact size: benchmarks have few sizes.
static uint32_t take_pages(struct guest *g, uint32_t pages) {
  for (struct block **at = &g->free_blocks; *at != NULL; at = &(*at)->next) {
    if ((*at)->pages != pages) continue;
    struct block *block = *at;
    const uint32_t page = block->page;
    *at = block->next;
    free(block);
    return page;
  }
  if (pages > g->pages - g->next_page) return 0;
  g->next_page += pages;
  return g->next_page - pages;
}

void write_header(struct guest *g, uint32_t page, uint32_t id, uint32_t generation) {
  uint8_t *header = g->region + (size_t)page * PAGE;
  memset(header, 0, 0x200);  // PIPE-2
  rwi_store(words_at(header, 0), 0x200, id);
  rwi_store(words_at(header, 0), 0x204, generation);
}

static int new_stream(struct guest *g, uint32_t to_host_wanted, uint32_t to_guest_wanted, struct payload *info) {
  struct place place = {.to_host_bytes = choose_capacity(to_host_wanted),
                        .to_guest_bytes = choose_capacity(to_guest_wanted)};
  if (g->free_id_count == 0 && g->next_id > RW_MAX_STREAM_ID) return EMFILE;
  place.page = take_pages(g, (uint32_t)pipe_pages(place.to_host_bytes, place.to_guest_bytes));
  if (place.page == 0) return ENOMEM;
  const uint32_t id = g->free_id_count > 0 ? g->free_ids[--g->free_id_count] : g->next_id++;
  const uint32_t generation = ++g->generations[id];
  write_header(g, place.page, id, generation);
  struct stream *s = allocate(sizeof *s);
  s->source = (struct source){STREAM, s};
  s->guest = g;
  s->id = id;
  s->place = place;
  s->socket = -1;
  to_host_consumer(&s->in, g->region, &place);
  to_guest_producer(&s->out, g->region, &place);
  rwi_want_data(&s->in);
  g->streams[id] = s;
  const uint32_t fields[5] = {id, generation, place.page, place.to_host_bytes, place.to_guest_bytes};
  put_bytes(info, fields, sizeof fields);
  return 0;
}

const char *step_control(struct guest *g) {
  for (;;) {
    // A request is taken only while its reply has room.
    while (rwi_writable(&g->replies) < REPLY_BYTES) {
      const int32_t wanted = rwi_want_space(&g->replies, REPLY_BYTES);
      if (wanted < 0) return "RING-4";
      if (wanted != 1) return NULL;
    }
    rwi_unwant_space(&g->replies);
    const int32_t got = frame_peek(&g->requests, &frame);
    if (got < 0) return "a bad frame on the control pipe";
    if (got != 1) return NULL;
    int32_t signal = rwi_consumed(&g->requests, FRAME_HEADER + frame.bytes);
    struct payload body = {0};
    uint32_t type = RW_T_ERROR;
    int error = ENOSYS;  // FRM-7
    if (frame.type == RW_T_NEW_STREAM && frame.bytes == 8) {
      error = new_stream(g, rwi_u32(frame.payload), rwi_u32(frame.payload + 4), &body);
      if (error == 0) type = RW_T_STREAM_INFO;
    } else if (frame.type == RW_T_PING && frame.bytes <= 64) {
      put_bytes(&body, frame.payload, frame.bytes);
      type = RW_T_PONG;
    }
    if (type == RW_T_ERROR) {
      put_u32(&body, (uint32_t)error);
      put_text(&body, "");
      put_text(&body, "");
    }
    signal |= rwi_produced(&g->replies, frame_put(&g->replies, type, frame.request, body.bytes, body.length));
    if (signal) bell_signal(&g->to_guest, 0);
  }
}
