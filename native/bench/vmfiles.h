// What vmload does with files: see vmfiles.c.

#ifndef RINGWAY_BENCH_VMFILES_H
#define RINGWAY_BENCH_VMFILES_H

#include <stdbool.h>
#include <stddef.h>

// Obeys a line about files, and writes its answer; false: it is about something else.
bool files_obey(const char *line, char *answer, size_t answer_bytes);

#endif
