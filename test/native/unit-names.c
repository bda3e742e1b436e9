// The agent's names: which address means which name, and for how long.

#include <stdio.h>

#include "../../native/agent/names.h"
#include "host.h"
#include "unit.h"

enum { TTL_MS = NAME_TTL_S * 1000, PLACES = NAMES_MAX - 1 };

// The address of name i at this time; family 0: there is none.
static struct rw_inet of(uint32_t i, int tell, int64_t now_ms) {
  struct rw_inet address = {.family = 0};
  char name[16];
  uint32_t bytes = (uint32_t)snprintf(name, sizeof name, "n%u.test", i);
  if (!names_give(name, bytes, tell, now_ms, &address)) address.family = 0;
  return address;
}

static struct rw_inet given(uint32_t i, int64_t now_ms) { return of(i, 1, now_ms); }
static struct rw_inet kept(uint32_t i, int64_t now_ms) { return of(i, 0, now_ms); }

static int means(const struct rw_inet *address, uint32_t i) {
  char name[16];
  uint32_t bytes = (uint32_t)snprintf(name, sizeof name, "n%u.test", i);
  const struct named *named = names_find(address);
  return named && named->bytes == bytes && memcmp(named->name, name, bytes) == 0;
}

void a_names_address_is_its_own_for_as_long_as_it_may_be_kept(void) {
  static struct rw_inet first[PLACES];
  names_init();
  for (uint32_t i = 0; i < PLACES; i++) {
    first[i] = given(i, 0);
    CHECK(first[i].family == 4 && means(&first[i], i));
  }
  names_take(names_find(&first[0])); // a connection goes to it
  const struct rw_inet again = given(1, TTL_MS / 2);
  CHECK(memcmp(&again, &first[1], sizeof again) == 0);

  IS(given(PLACES, TTL_MS - 1).family, 0); // each may still be kept
  const struct rw_inet next = given(PLACES, TTL_MS);
  CHECK(next.family == 4 && means(&next, PLACES));
  CHECK(memcmp(&next, &first[2], sizeof next) != 0); // its place is that of the oldest, and its address a new one
  CHECK(!names_find(&first[2]) && names_has(&first[2]));
  CHECK(means(&first[0], 0) && means(&first[1], 1) && means(&first[3], 3));

  names_leave(names_find(&first[0]), TTL_MS);
  for (uint32_t i = 3; i < PLACES; i++) CHECK(given(PLACES + i, TTL_MS).family == 4);
  IS(given(3 * PLACES, TTL_MS + TTL_MS / 2 - 1).family, 0);
  CHECK(given(3 * PLACES, TTL_MS + TTL_MS / 2).family == 4);
  CHECK(!names_find(&first[1]) && means(&first[0], 0)); // used last when its connection ended
}

void names_of_which_no_program_was_told_make_room_for_all_others(void) {
  const int64_t now = 100 * TTL_MS;
  enum { TOLD = 10 * PLACES, FLOWS = 12 * PLACES };
  names_init();
  for (uint32_t i = 0; i < PLACES - 2; i++) CHECK(given(TOLD + i, now).family == 4);
  const struct rw_inet used = kept(FLOWS, now);
  names_take(names_find(&used)); // a flow to it
  for (uint32_t i = 1; i < PLACES; i++) CHECK(kept(FLOWS + i, now).family == 4); // in the one place that is left
  CHECK(means(&used, FLOWS));
  const struct rw_inet told = given(TOLD + PLACES, now);
  CHECK(means(&told, TOLD + PLACES));
  IS(given(TOLD + PLACES + 1, now).family, 0);
  IS(kept(FLOWS + PLACES, now).family, 0);

  names_leave(names_find(&used), now); // its flow is over
  const struct rw_inet same = kept(FLOWS, now);
  CHECK(memcmp(&same, &used, sizeof same) == 0);
  const struct rw_inet now_told = given(FLOWS, now); // by the same address, and kept from now on
  CHECK(memcmp(&now_told, &used, sizeof used) == 0);
  IS(kept(FLOWS + PLACES, now + TTL_MS - 1).family, 0);
  CHECK(means(&told, TOLD + PLACES) && means(&used, FLOWS));
}
