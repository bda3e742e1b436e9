// Every address is this guest's own: see routes.c.

#ifndef RINGWAY_AGENT_ROUTES_H
#define RINGWAY_AGENT_ROUTES_H

#include <stdint.h>

extern const uint8_t routes_own_ipv4[4], routes_own_ipv6[16]; // where programs seem to be

const char *routes_other(void);            // an interface besides lo that is up, or NULL
// Each 0, or an errno, with what the kernel refused.
int routes_address(int ipv6, const char **what); // the guest has an address of its own
int routes_make(int ipv6, const char **what);    // and all others
int routes_have_ipv6(void);
void routes_remove(void);                  // what was made

#endif
