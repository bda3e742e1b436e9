// Where mounts may be: what the agent itself looks for by path may not lie below one of them, nor may another mount. It
// would ask itself, and wait for an answer that nobody gives.

#define _GNU_SOURCE
#include "fuse-points.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "fuse-device.h"
#include "options.h"

enum { EXIT_USAGE = 2 };

static int is_at_or_below(const char *path, const char *point) {
  size_t bytes = strcmp(point, "/") == 0 ? 0 : strlen(point);
  return strncmp(path, point, bytes) == 0 && (path[bytes] == 0 || path[bytes] == '/');
}

// Its folder, with its links followed; 0: it has none that could be found.
static int folder_of(const char *path, char to[PATH_MAX]) {
  char text[PATH_MAX];
  const char *slash = strrchr(path, '/');
  size_t bytes = slash ? (size_t)(slash - path) + 1 : 0; // with the slash: it may be all
  if (bytes >= sizeof text) return 0;
  memcpy(text, path, bytes);
  text[bytes] = 0;
  return realpath(slash ? text : ".", to) != NULL;
}

// What a link leads to may lie there, or the link; what is not there yet has a folder.
static int goes_through(const char *path, const char *point) {
  char real[PATH_MAX];
  if (realpath(path, real) && is_at_or_below(real, point)) return 1;
  return folder_of(path, real) && is_at_or_below(real, point);
}

static void refuse_below(const char *path, uint32_t mount, const char *real_point) {
  if (!path || !goes_through(path, real_point)) return;
  say_begin();
  say("--mount: ");
  say(path);
  say(" is on or below the mount on ");
  say(options.mount[mount].point);
  say_end();
  exit(EXIT_USAGE);
}

void points_check(void) {
  char point[PATH_MAX];
  for (uint32_t i = 0; i < options.mounts; i++) device_clear(options.mount[i].point);
  for (uint32_t i = 0; i < options.mounts; i++) {
    if (!realpath(options.mount[i].point, point)) continue; // it cannot be mounted on either
    refuse_below(options.socket, i, point);
    refuse_below(options.memory, i, point);
    refuse_below(options.channel, i, point);
    refuse_below(options.service, i, point);
    for (uint32_t j = 0; j < options.mounts; j++)
      if (j != i) refuse_below(options.mount[j].point, i, point);
  }
}
