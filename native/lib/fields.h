// What encoders and decoders check alike. For encode.c and decode.c, which use all of it.

#ifndef RINGWAY_FIELDS_H
#define RINGWAY_FIELDS_H

#include "internal.h"

static int padded(const struct rw_inet *inet) {
  for (uint32_t i = 4; inet->family == 4 && i < 16; i++)
    if (inet->address[i] != 0) return 0;
  return 1;
}

static int bad_inet(const struct rw_inet *inet) { // TCP-2
  return (inet->family != 4 && inet->family != 6) || inet->port > 65535 || !padded(inet);
}

#endif
