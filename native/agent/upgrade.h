// The answer to a request that offers an upgrade of the connection: see upgrade.c.

#ifndef RINGWAY_AGENT_UPGRADE_H
#define RINGWAY_AGENT_UPGRADE_H

#include <stdint.h>

struct upgrade {
  uint16_t status;
  uint8_t at, bytes;
};

void upgrade_await(struct upgrade *upgrade);
void upgrade_give_up(struct upgrade *upgrade);      // it will not be read; of one that is not awaited nothing
int upgrade_is_done(const struct upgrade *upgrade); // 101: raw bytes follow
int upgrade_read(struct upgrade *upgrade, const uint8_t *bytes, uint32_t count); // 1: it is known

#endif
