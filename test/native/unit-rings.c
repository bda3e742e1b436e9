// One direction of a pipe: against an oracle, through the wrap-around, between two threads, and with words that cannot
// be.

#include <pthread.h>
#include <time.h>

#include "host.h"
#include "unit.h"

static const uint32_t starts[] = {0, 1, 0xfffffff0u, 0xffffffffu, 0x7ffffff8u};

void rings_match_an_oracle_through_the_wrap(void) {
  uint32_t seed = 7;
  for (uint32_t capacity = 8; capacity <= 64; capacity *= 2) {
    for (size_t s = 0; s < sizeof starts / sizeof starts[0]; s++) {
      uint8_t *block = calloc(1, 2 * RW_PAGE_BYTES + capacity);
      uint8_t *data = block + RW_PAGE_BYTES;
      struct rw_producer p;
      struct rw_consumer c;
      rwi_producer_init(&p, block, data, capacity, starts[s]);
      rwi_consumer_init(&c, block, data, capacity, starts[s]);
      c.own = (uint32_t *)(void *)(block + PIPE_TO_HOST_CONSUMER);
      c.other = (uint32_t *)(void *)(block + PIPE_TO_HOST_PRODUCER);
      rwi_store(p.own, PART_POSITION, starts[s]);
      rwi_store(c.own, PART_POSITION, starts[s]);
      uint8_t oracle[64], bytes[64];
      uint32_t held = 0;
      uint8_t next_byte = 1;
      for (int i = 0; i < 4000; i++) {
        uint32_t wanted = draw(&seed) % (capacity + 1);
        if (draw(&seed) & 1) {
          IS(rwi_writable(&p), capacity - held);
          uint32_t count = rwi_min(wanted, capacity - held);
          for (uint32_t k = 0; k < count; k++) bytes[k] = oracle[held + k] = next_byte++;
          uint8_t *at;
          uint32_t span = rwi_producer_span(&p, capacity - held, &at);
          CHECK(span <= capacity - held && at >= data && at + span <= data + capacity);
          rwi_put(&p, 0, bytes, count);
          IS(rwi_produced(&p, count), c.want_data != 0);
          held += count;
        } else {
          IS(rwi_readable(&c), held);
          uint32_t count = rwi_min(wanted, held);
          rwi_peek(&c, 0, bytes, count);
          CHECK(memcmp(bytes, oracle, count) == 0);
          int signalled = rwi_consumed(&c, count);
          held -= count;
          IS(signalled, p.want_space != 0 && capacity - held >= p.want_space);
          memmove(oracle, oracle + count, held);
        }
        switch (draw(&seed) % 8) {
          case 0:
            IS(rwi_want_data(&c), held > 0);
            break;
          case 1:
            rwi_unwant_data(&c);
            break;
          case 2: {
            uint32_t want = 1 + draw(&seed) % capacity;
            IS(rwi_want_space(&p, want), capacity - held >= want);
            break;
          }
          case 3:
            rwi_unwant_space(&p);
            break;
          default:
            break;
        }
      }
      free(block);
    }
  }
}

void positions_out_of_bounds_are_refused(void) {
  uint8_t *block = calloc(1, 2 * RW_PAGE_BYTES);
  struct rw_producer p;
  struct rw_consumer c;
  rwi_producer_init(&p, block, block + RW_PAGE_BYTES, 16, 0xfffffffcu);
  rwi_produced(&p, 10);
  rwi_store(p.other, PART_POSITION, 0xfffffffbu); // below the one last seen
  IS(rwi_writable(&p), RW_BAD_POSITION);
  rwi_store(p.other, PART_POSITION, 7); // beyond what was written
  IS(rwi_writable(&p), RW_BAD_POSITION);
  rwi_store(p.other, PART_POSITION, 6);
  IS(rwi_writable(&p), 16);
  rwi_store(p.other, PART_POSITION, 5); // back
  IS(rwi_writable(&p), RW_BAD_POSITION);
  IS(rwi_want_space(&p, 4), RW_BAD_POSITION);

  rwi_consumer_init(&c, block, block + RW_PAGE_BYTES, 16, 0xfffffffcu);
  rwi_store(c.other, PART_POSITION, 13); // 17 bytes
  IS(rwi_readable(&c), RW_BAD_POSITION);
  rwi_store(c.other, PART_POSITION, 12);
  IS(rwi_readable(&c), 16);
  rwi_store(c.other, PART_POSITION, 11); // back
  IS(rwi_readable(&c), RW_BAD_POSITION);
  IS(rwi_want_data(&c), RW_BAD_POSITION);
  free(block);
}

void closed_words_only_grow(void) {
  uint8_t *block = calloc(1, 2 * RW_PAGE_BYTES);
  struct rw_producer p;
  struct rw_consumer c;
  rwi_producer_init(&p, block, block + RW_PAGE_BYTES, 16, 0);
  IS(rwi_abandoned(&p), 0);
  rwi_store(p.other, PART_CLOSED, 2);
  IS(rwi_abandoned(&p), RW_BAD_FLAG);
  rwi_store(p.other, PART_CLOSED, 1);
  IS(rwi_abandoned(&p), 1);
  rwi_store(p.other, PART_CLOSED, 0);
  IS(rwi_abandoned(&p), RW_BAD_FLAG);

  rwi_consumer_init(&c, block, block + RW_PAGE_BYTES, 16, 0);
  rwi_store(c.other, PART_CLOSED, 3);
  IS(rwi_peer_closed(&c), RW_BAD_FLAG);
  rwi_store(c.other, PART_POSITION, 5);
  rwi_store(c.other, PART_CLOSED, CLOSED_END);
  IS(rwi_peer_closed(&c), CLOSED_END);
  rwi_store(c.other, PART_POSITION, 9); // bytes after END do not count (RING-6)
  IS(rwi_readable(&c), 5);
  rwi_store(c.other, PART_CLOSED, CLOSED_OPEN);
  IS(rwi_peer_closed(&c), RW_BAD_FLAG);
  free(block);
}

// Two threads, a real wait: a wake-up that is lost shows as a time-out.
struct pair {
  struct rw_producer p;
  struct rw_consumer c;
  pthread_mutex_t mutex;
  pthread_cond_t change;
  unsigned data, space;
};
enum { STRESS_BYTES = 4 << 20 };

static void wake(struct pair *pair, unsigned *bell) {
  pthread_mutex_lock(&pair->mutex);
  ++*bell;
  pthread_cond_broadcast(&pair->change);
  pthread_mutex_unlock(&pair->mutex);
}

static void wait_bell(struct pair *pair, unsigned *bell) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += 20;
  pthread_mutex_lock(&pair->mutex);
  while (*bell == 0) IS(pthread_cond_timedwait(&pair->change, &pair->mutex, &until), 0);
  *bell = 0;
  pthread_mutex_unlock(&pair->mutex);
}

static void *produce(void *context) {
  struct pair *pair = context;
  uint32_t seed = 3, sent = 0;
  uint8_t bytes[4096];
  while (sent < STRESS_BYTES) {
    int32_t writable = rwi_writable(&pair->p);
    CHECK(writable >= 0);
    if (writable == 0) {
      if (rwi_want_space(&pair->p, 1 + draw(&seed) % 4096) == 0) wait_bell(pair, &pair->space);
      continue;
    }
    uint32_t count = rwi_min(rwi_min(1 + draw(&seed) % 4096, (uint32_t)writable), STRESS_BYTES - sent);
    for (uint32_t i = 0; i < count; i++) bytes[i] = (uint8_t)((sent + i) * 31 >> 3);
    rwi_put(&pair->p, 0, bytes, count);
    if (rwi_produced(&pair->p, count)) wake(pair, &pair->data);
    sent += count;
  }
  rwi_producer_close(&pair->p, CLOSED_END);
  wake(pair, &pair->data);
  return 0;
}

void two_threads_lose_no_byte_and_no_wake_up(void) {
  uint8_t *block = calloc(1, 2 * RW_PAGE_BYTES);
  struct pair pair = {.mutex = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};
  struct rw_producer unused;
  rwi_producer_init(&pair.p, block, block + RW_PAGE_BYTES, 4096, 0);
  mirror(&pair.c, &unused, block, 4096, 4096);
  pthread_t thread;
  IS(pthread_create(&thread, 0, produce, &pair), 0);
  uint32_t got = 0, seed = 5;
  uint8_t bytes[4096];
  for (;;) {
    int32_t closed = rwi_peer_closed(&pair.c);
    int32_t readable = rwi_readable(&pair.c);
    CHECK(readable >= 0);
    if (readable == 0) {
      if (closed == CLOSED_END) break;
      if (rwi_want_data(&pair.c) == 0) wait_bell(&pair, &pair.data);
      continue;
    }
    uint32_t count = rwi_min(1 + draw(&seed) % 4096, (uint32_t)readable);
    rwi_peek(&pair.c, 0, bytes, count);
    for (uint32_t i = 0; i < count; i++) CHECK(bytes[i] == (uint8_t)((got + i) * 31 >> 3));
    if (rwi_consumed(&pair.c, count)) wake(&pair, &pair.space);
    got += count;
  }
  IS(got, STRESS_BYTES);
  pthread_join(thread, 0);
  free(block);
}
