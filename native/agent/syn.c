// The SYNs that are held, by the four numbers that a connection of TCP is known by.
//
//          a SYN comes              the host has connected            the listener accepts it
//   NOT ────────────────▶ ASKING ──────────────────────────▶ BACK ────────────────────────────▶ NOT: it is carried
//                           │ the host has not: RST, ICMP,     │ nobody wants it any more
//                           ▼ or nothing                       ▼
//                          NOT                                NOT
//
// The program's kernel sends a SYN again until it has an answer: in ASKING that says nothing new, in BACK that the one
// put back was lost. What happens is transparent.c's; here they are kept.
//
// A SYN that the kernel sends again may be read when the first one is gone already. What remains of that is its
// sequence number, of the last of each chain: enough to ask the kernel about such a one alone.
//
// Invariant: what is not NOT stands in one chain of the hash and in the order of coming; there are HELD_MAX at most.

#define _GNU_SOURCE
#include "syn.h"

#include <stddef.h>
#include <sys/random.h>

#include "ends.h"

enum { CHAINS = 4096 };

static struct held all[HELD_MAX]; // a page of it takes memory when it is first used
static uint32_t chains[CHAINS], used, free_head = HELD_NONE;
static uint32_t sequences[CHAINS]; // of the last one of each chain that was freed
static uint32_t key; // of the hash
static uint32_t first = HELD_NONE, last = HELD_NONE;

void held_init(void) {
  if (getrandom(&key, sizeof key, GRND_NONBLOCK) < 0) key = 0; // right after boot
  for (uint32_t i = 0; i < CHAINS; i++) chains[i] = HELD_NONE;
}

struct held *held_at(uint32_t index) { return index < used && all[index].state != HELD_NOT ? &all[index] : NULL; }
uint32_t held_index(const struct held *held) { return (uint32_t)(held - all); }
struct held *held_oldest(void) { return held_at(first); }

static uint32_t number_of(const struct rw_inet *source, const struct rw_inet *target) {
  return ends_hash(key, source, target) % CHAINS;
}

static uint32_t *chain_of(const struct rw_inet *source, const struct rw_inet *target) {
  return &chains[number_of(source, target)];
}

int held_was(const struct syn *syn) { return sequences[number_of(&syn->source, &syn->target)] == syn->sequence; }

struct held *held_find(const struct rw_inet *source, const struct rw_inet *target) {
  for (uint32_t at = *chain_of(source, target); at != HELD_NONE; at = all[at].chain)
    if (ends_same(&all[at].syn.source, source) && ends_same(&all[at].syn.target, target)) return &all[at];
  return NULL;
}

int held_full(void) { return free_head == HELD_NONE && used == HELD_MAX; }

struct held *held_new(const struct syn *syn, uint32_t conn) {
  uint32_t index = free_head == HELD_NONE ? used++ : free_head;
  struct held *held = &all[index];
  if (index == free_head) free_head = held->chain;
  uint32_t *chain = chain_of(&syn->source, &syn->target);
  *held = (struct held){
      .syn = *syn, .conn = conn, .chain = *chain, .before = last, .after = HELD_NONE, .state = HELD_ASKING};
  *chain = index;
  *(last == HELD_NONE ? &first : &all[last].after) = index;
  last = index;
  return held;
}

void held_free(struct held *held) {
  uint32_t index = held_index(held);
  uint32_t *at = chain_of(&held->syn.source, &held->syn.target);
  while (*at != index) at = &all[*at].chain;
  *at = held->chain;
  *(held->before == HELD_NONE ? &first : &all[held->before].after) = held->after;
  *(held->after == HELD_NONE ? &last : &all[held->after].before) = held->before;
  sequences[number_of(&held->syn.source, &held->syn.target)] = held->syn.sequence;
  held->state = HELD_NOT;
  held->chain = free_head;
  free_head = index;
}
