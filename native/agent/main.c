// One file, several programs: what it is called, or its first argument, says which.

#include <stdlib.h>
#include <string.h>

#include "../tools/programs.h"
#include "agent.h"
#include "front.h"
#include "link.h"
#include "listen.h"
#include "loop.h"
#include "room.h"

static const struct {
  const char *name;
  int (*main)(int argc, char **argv);
} programs[] = {{"rwcat", rwcat_main},
                {"rwfs", rwfs_main},
                {"rwexit", rwexit_main},
                {"rwenter", rwenter_main},
                {"rwmounts", rwmounts_main},
                {"rwinit", rwinit_main}};

static int run(const char *name, int argc, char **argv) {
  for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
    if (strcmp(name, programs[i].name) != 0) continue;
    // The last has no link of its own in any document.
    say_program = programs[i].main == rwexit_main ? "ringway-agent exit" : programs[i].name;
    exit(programs[i].main(argc, argv));
  }
  return 0;
}

static int agent_main(int argc, char **argv) {
  options_parse(argc, argv);
  say_never_wait();
  loop_init();
  table_init(room_init());
  link_init();
  listen_init();
  fronts_listen();
  loop_run();
  link_leave();
  listen_exit();
  return 0;
}

int main(int argc, char **argv) {
  const char *name = argc > 0 ? argv[0] : "";
  const char *slash = strrchr(name, '/');
  run(slash ? slash + 1 : name, argc, argv);
  say_program = "ringway-agent";
  if (argc > 1) {
    run(strcmp(argv[1], "exit") == 0 ? "rwexit" : argv[1], argc - 1, argv + 1);
    say_program = "ringway-agent";
  }
  return agent_main(argc, argv);
}
