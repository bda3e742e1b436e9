// A monitor that is attached, and answers nothing: it was stopped, or stands still. It gives a stream at once, whatever
// becomes of that, so one that takes SILENT_MS over it is told of in the log, once, and so is its next word. What
// programs ask for waits meanwhile, as they like.
//
// Invariant: asking counts connections that are ASKED; since_ms is when the first of them asked, or the host's last
// word if that is later; 0 where there are none.

#include "silence.h"

#include "agent.h"
#include "limits.h"

static uint32_t asking;
static int64_t since_ms;
static int is_said;

void silence_asks(void) {
  if (asking++ == 0) since_ms = rw_posix_now_ms();
}

void silence_asks_no_more(void) {
  if (--asking == 0) since_ms = 0;
}

void silence_heard(void) {
  if (asking > 0) since_ms = rw_posix_now_ms();
  if (!is_said) return;
  is_said = 0;
  say_begin();
  say("the monitor answers again");
  say_end();
}

int64_t silence_tick(int64_t now) {
  if (since_ms == 0 || is_said) return -1;
  if (now < since_ms + SILENT_MS) return since_ms + SILENT_MS;
  is_said = 1;
  say_begin();
  say("the monitor has not answered for ");
  say_number(SILENT_MS / 1000);
  say(" s: what programs ask for waits");
  say_end();
  return -1;
}
