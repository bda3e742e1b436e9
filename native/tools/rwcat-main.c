// rwcat as a program of its own: see rwcat.c.

#include "programs.h"
#include "say.h"

int main(int argc, char **argv) {
  say_program = "rwcat";
  return rwcat_main(argc, argv);
}
