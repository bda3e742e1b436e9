// The system calls that a program in a box may not make: seccomp.

#ifndef RINGWAY_FILTER_H
#define RINGWAY_FILTER_H

// For this process and all that it starts, for ever. 0, or an errno.
int filter_install(void);

#endif
