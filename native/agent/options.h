// What the command line says: see options.c.

#ifndef RINGWAY_AGENT_OPTIONS_H
#define RINGWAY_AGENT_OPTIONS_H

#include "limits.h"

struct address { // where to listen in the guest
  const char *text; // as it was given: for people
  uint8_t ip[16];
  uint16_t port;
  uint8_t family; // 4, 6; 0: not at all
};

struct route {
  struct address here;   // forward: where to listen
  struct rw_inet there;  // publish: where to listen on the host
  const char *host;      // forward: whom to connect to
  uint32_t host_bytes;
  uint16_t port;         // of the host's end (forward), in the guest (publish)
};

struct mounted {
  const char *path;  // the host's, as the policy names it
  const char *point; // where it is in the guest
  int is_watched;    // the host tells what others change
  int writes_back;   // the kernel writes later
};

enum names { NAMES_OWN, NAMES_REAL, NAMES_OFF };

struct options {
  const char *memory, *channel; // or neither: the devices are looked for
  const char *socket;           // or the monitor's attach socket
  const char *service;          // NULL: none
  int service_given;
  struct address socks, http;
  struct route forward[ROUTES_MAX], publish[ROUTES_MAX];
  struct mounted mount[MOUNTS_MAX];
  uint32_t forwards, publishes, mounts;
  int publish_auto;             // and whatever a program of the guest listens on
  uint32_t publishes_most;      // of both
  int transparent;
  enum names names;             // of --transparent: what its resolver says
  int learns;                   // a name that no rule allows has an address as well: which ports are wanted
  uint32_t streams, busy_poll_us, hold_ms, handshake_ms, turn_ms;
  uint32_t wait_ms; // 0: for ever; WAIT_AS_IT_IS: as long as it makes sense where the host is
};

#define WAIT_AS_IT_IS 0xffffffffu
#define SERVICE_PATH "/run/ringway.sock"

extern struct options options;
void options_parse(int argc, char **argv);

#endif
