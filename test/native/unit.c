// Unit tests of the guest library's core, to be run under sanitizers. `unit` runs all; `unit NAME` one; `unit list`
// names them; `unit hostile SEED ROUNDS` is a longer attack; `unit encode` prints what the encoders write.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define ENTRY(name) {#name, name},
static const struct {
  const char *name;
  void (*run)(void);
} tests[] = {TESTS(ENTRY)};
#undef ENTRY

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "list") == 0) {
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) puts(tests[i].name);
    return 0;
  }
  if (argc == 2 && strcmp(argv[1], "encode") == 0) {
    encode_all();
    return 0;
  }
  if (argc == 4 && strcmp(argv[1], "hostile") == 0) {
    uint32_t seed = (uint32_t)strtoul(argv[2], 0, 10), rounds = (uint32_t)strtoul(argv[3], 0, 10);
    for (uint32_t i = 0; i < rounds; i++) attack(seed + i, 1500);
    return 0;
  }
  for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
    if (argc > 1 && strcmp(argv[1], tests[i].name) != 0) continue;
    tests[i].run();
    printf("ok %s\n", tests[i].name);
  }
  return 0;
}
