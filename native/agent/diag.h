// The program's end of a connection over loopback, as the kernel knows it: see diag.c.

#ifndef RINGWAY_AGENT_DIAG_H
#define RINGWAY_AGENT_DIAG_H

#include <stdint.h>

struct far_end {
  uint8_t state;  // of TCP
  uint32_t inode; // 0: nobody has it open
};
void diag_init(void);
int diag_ask(int fd, struct far_end *end); // 0: it does not tell

#endif
