// What the log says of times when there are more connections than there is room for: a line when one begins, and one
// when it is over that counts whom it hit. No more than two lines in QUIET_MS_MIN, and fewer where the same goes on and
// on.

#include "shortage.h"

#include <string.h>

#include "agent.h"
#include "watch.h"

enum { SOON = 10 }; // after the last one, in its lengths: the same goes on

static struct {
  int64_t since_ms, over_ms; // 0: there is none; there was none
  int64_t last_ms;           // when somebody was ended last
  uint32_t quiet_ms;         // so long it lasts for the log, at least
  uint32_t waited, refused, ended;
} shortage;

int shortage_begins(void) {
  if (shortage.since_ms != 0) return 0;
  int64_t now = rw_posix_now_ms();
  uint32_t quiet_ms = QUIET_MS_MIN;
  int soon = shortage.over_ms != 0 && now - shortage.over_ms < SOON * (int64_t)shortage.quiet_ms;
  if (soon) quiet_ms = 4 * shortage.quiet_ms;
  memset(&shortage, 0, sizeof shortage);
  shortage.since_ms = now;
  shortage.quiet_ms = quiet_ms < QUIET_MS_MAX ? quiet_ms : QUIET_MS_MAX;
  say_begin();
  return 1;
}

void shortage_waits(void) { shortage.waited++; }
void shortage_refused(void) { shortage.refused++; }

void shortage_ended(void) {
  shortage.ended++;
  shortage.last_ms = rw_posix_now_ms();
}

static void say_over(int64_t now) {
  say_begin();
  say("there is room for connections again after ");
  say_number((uint64_t)(now - shortage.since_ms + 999) / 1000);
  say(" s: ");
  say_number(shortage.waited);
  say(" had to wait, ");
  say_number(shortage.refused);
  say(" in vain; ");
  say_number(shortage.ended);
  say(" that had not said what they want were ended");
  say_end();
}

int64_t shortage_tick(int64_t now, int goes_on) {
  if (shortage.since_ms == 0 || goes_on) return -1; // what ends it is an event
  int64_t over_ms = shortage.since_ms + shortage.quiet_ms;
  if (shortage.last_ms != 0 && over_ms < shortage.last_ms + QUIET_MS_MIN) over_ms = shortage.last_ms + QUIET_MS_MIN;
  if (now < over_ms) return over_ms;
  say_over(now);
  shortage.since_ms = 0;
  shortage.over_ms = now;
  return -1;
}
