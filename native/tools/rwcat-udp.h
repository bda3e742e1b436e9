// Of rwcat: datagrams between stdin, stdout and a socket of the host's.

#ifndef RINGWAY_RWCAT_UDP_H
#define RINGWAY_RWCAT_UDP_H

#include "job.h"

// On a stream that is open for udp-connect, or for udp-bind, whose peer is who sends first. Until the host ends it, or
// nothing more has come or gone for `idle_seconds`; 0: however long that is. `verbose`: losses are told as they happen.
void rwcat_udp(int is_bound, uint32_t idle_seconds, int verbose);

#endif
