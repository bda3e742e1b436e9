// What link.c has found, for everybody else: see host.h.

#include "host.h"

#include <stddef.h>

static struct rw_guest *guest; // NULL: down
static uint32_t region_pages;
static int32_t lost_by;

int host_is_up(void) { return guest != NULL; }
struct rw_guest *host_guest(void) { return guest; }
uint32_t host_region_pages(void) { return region_pages; }

void host_over(int32_t status) {
  if (lost_by == RW_OK) lost_by = status;
}

int host_lost(int32_t status) {
  if (status != RW_LOST && status != RW_FAILED && status > RW_BAD_SUPERBLOCK) return 0;
  host_over(status);
  return 1;
}

void host_up(struct rw_guest *which, uint32_t pages) {
  guest = which;
  region_pages = pages;
  lost_by = RW_OK;
}

void host_down(void) {
  guest = NULL;
  lost_by = RW_OK;
}

int32_t host_lost_by(void) { return guest ? lost_by : RW_OK; }
