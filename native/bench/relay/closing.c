// The closed words of this side (RING-6, RING-7), for whoever comes to the end of something.

#include "relay.h"

void close_in(struct stream *s) {
  if (rwi_consumer_close(&s->in)) bell_signal(&s->guest->to_guest, s->id);  // RING-7: always
}

void close_out(struct stream *s, uint32_t how) {
  if (s->out.closed) return;
  rwi_producer_close(&s->out, how);
  bell_signal(&s->guest->to_guest, s->id);  // RING-6: always
}
