// A monitor that is attached, and answers nothing: it was stopped, or stands still. It gives a stream, and takes a
// question for a name, at once, whatever becomes of that; so one that takes SILENT_MS over it is told of in the log,
// once, and so is its next word. What programs ask for waits meanwhile, as they like.
//
// Who gives up and tries again, as many do after 5 s, has asked in vain since its first try: only the host's word, or
// the end of the epoch, begins the time anew.
//
// Invariant: asking counts connections that are ASKED, and a stream of questions in which some lie; since_ms is when
// the host was asked first after its last word, or that word while somebody waited for another; else 0.

#include "silence.h"

#include "agent.h"
#include "limits.h"

static uint32_t asking;
static int64_t since_ms;
static int is_said;

void silence_asks(void) {
  asking++;
  if (since_ms == 0) since_ms = rw_posix_now_ms();
}

void silence_asks_no_more(void) { asking--; }

void silence_over(void) { since_ms = 0; }

void silence_heard(void) {
  since_ms = asking > 0 ? rw_posix_now_ms() : 0;
  if (!is_said) return;
  is_said = 0;
  say_begin();
  say("the monitor answers again");
  say_end();
}

int64_t silence_tick(int64_t now) {
  if (asking == 0 || since_ms == 0 || is_said) return -1;
  if (now < since_ms + SILENT_MS) return since_ms + SILENT_MS;
  is_said = 1;
  say_begin();
  say("the monitor has not answered for ");
  say_number(SILENT_MS / 1000);
  say(" s: what programs ask for waits");
  say_end();
  return -1;
}
