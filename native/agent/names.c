// A name has an address of its own, out of 198.18.0.0/15, which is nobody's (RFC 2544): a program resolves the name,
// connects to the address, and the host connects to the name.
//
//   place i of the table, given the n-th time ──▶ number (n mod CYCLES) * NAMES_MAX + i, counted from 198.18.0.0
//
// The place that was used longest ago is given next, but none that a connection goes to, and none before NAME_TTL_S
// have passed since. So an address means its name for as long as programs may keep it. One who keeps it longer finds
// nobody there, and not somebody else: it comes to mean another name only when its place was given CYCLES times, which
// takes CYCLES times as long.
//
// Of a name that only flows of SOCKS5 have (associate.c) no program knows the address: without users its place is free
// at once, and given before all others, with the address that it has.
//
// Invariant: a place that was given stands in one chain of the hash; in the order of use where it has no users, those
// that no program was told of before the others.

#define _GNU_SOURCE
#include "names.h"

#include <stddef.h>
#include <string.h>
#include <sys/random.h>

enum { CYCLES = (1 << 17) / NAMES_MAX, CHAINS = 4096, FIRST_HIGH = 198, FIRST_LOW = 18 };
#define NONE 0xffffffffu
_Static_assert(CYCLES > 1 && CYCLES * NAMES_MAX == 1 << 17, "the table's places share 198.18.0.0/15");

static struct named places[NAMES_MAX]; // a page of it takes memory when it is first used
static uint32_t chains[CHAINS], oldest = NONE, newest = NONE;
static uint32_t key; // so that programs cannot choose what has the same hash
static uint32_t used = 1; // 198.18.0.0 looks like the network

void names_init(void) {
  static int is_done;
  if (is_done) return;
  is_done = 1;
  if (getrandom(&key, sizeof key, GRND_NONBLOCK) < 0) key = 0; // right after boot
  for (uint32_t i = 0; i < CHAINS; i++) chains[i] = NONE;
}

static uint32_t index_of(const struct named *named) { return (uint32_t)(named - places); }

static uint32_t *chain_of(const char *name, uint32_t bytes) {
  uint32_t hash = 0x811c9dc5u ^ key;
  for (uint32_t i = 0; i < bytes; i++) hash = (hash ^ (uint8_t)name[i]) * 0x01000193u;
  return &chains[(hash ^ hash >> 16) % CHAINS];
}

// ── The order of use ────────────────────────────────────────────────────────────────────────────────────────────────

static void link_out(struct named *named) {
  *(named->before == NONE ? &oldest : &places[named->before].after) = named->after;
  *(named->after == NONE ? &newest : &places[named->after].before) = named->before;
}

static void link_first(struct named *named) {
  named->used_ms = -NAME_TTL_S * 1000;
  named->before = NONE;
  named->after = oldest;
  *(oldest == NONE ? &newest : &places[oldest].before) = index_of(named);
  oldest = index_of(named);
}

static void link_in(struct named *named, int64_t now_ms) {
  if (!named->is_told) {
    link_first(named);
    return;
  }
  named->used_ms = now_ms;
  named->before = newest;
  named->after = NONE;
  *(newest == NONE ? &oldest : &places[newest].after) = index_of(named);
  newest = index_of(named);
}

void names_take(struct named *named) {
  if (named->users++ == 0) link_out(named);
}

void names_leave(struct named *named, int64_t now_ms) {
  if (--named->users == 0) link_in(named, now_ms);
}

// ── Giving ──────────────────────────────────────────────────────────────────────────────────────────────────────────

static void forget(struct named *named) {
  uint32_t *at = chain_of(named->name, named->bytes);
  while (*at != index_of(named)) at = &places[*at].chain;
  *at = named->chain;
  link_out(named);
  if (named->is_told) named->cycle++;
}

static struct named *place_for(const char *name, uint32_t bytes, int64_t now_ms) {
  uint32_t *chain = chain_of(name, bytes);
  for (uint32_t at = *chain; at != NONE; at = places[at].chain)
    if (places[at].bytes == bytes && memcmp(places[at].name, name, bytes) == 0) return &places[at];
  int is_taken = used == NAMES_MAX || (oldest != NONE && !places[oldest].is_told);
  if (is_taken && (oldest == NONE || now_ms < places[oldest].used_ms + NAME_TTL_S * 1000)) return NULL;
  struct named *named = &places[is_taken ? oldest : used];
  if (is_taken) forget(named);
  else used++;
  named->bytes = bytes;
  named->is_told = 0;
  memcpy(named->name, name, bytes);
  named->chain = *chain;
  *chain = index_of(named);
  link_in(named, now_ms);
  return named;
}

int names_give(const char *name, uint32_t bytes, int tell, int64_t now_ms, struct rw_inet *address) {
  struct named *named = place_for(name, bytes, now_ms);
  if (!named) return 0;
  named->is_told |= tell;
  if (named->users == 0) { // used just now
    link_out(named);
    link_in(named, now_ms);
  }
  uint32_t number = named->cycle % CYCLES * NAMES_MAX + index_of(named);
  *address = (struct rw_inet){.family = 4};
  address->address[0] = FIRST_HIGH;
  address->address[1] = (uint8_t)(FIRST_LOW + (number >> 16));
  address->address[2] = (uint8_t)(number >> 8);
  address->address[3] = (uint8_t)number;
  return 1;
}

// ── Finding ─────────────────────────────────────────────────────────────────────────────────────────────────────────

int names_has(const struct rw_inet *address) {
  return address->family == 4 && address->address[0] == FIRST_HIGH && (address->address[1] & 0xfe) == FIRST_LOW;
}

struct named *names_find(const struct rw_inet *address) {
  if (!names_has(address)) return NULL;
  const uint8_t *bytes = address->address;
  uint32_t number = (uint32_t)(bytes[1] & 1) << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
  uint32_t index = number % NAMES_MAX;
  if (index == 0 || index >= used || places[index].cycle % CYCLES != number / NAMES_MAX) return NULL;
  return &places[index];
}
