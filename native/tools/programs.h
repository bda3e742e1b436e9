// Programs that may share a binary: each file has its main() by another name, and `*-main.c` or agent/main.c calls it.

#ifndef RINGWAY_PROGRAMS_H
#define RINGWAY_PROGRAMS_H

int rwcat_main(int argc, char **argv);
int rwfs_main(int argc, char **argv);
int rwexit_main(int argc, char **argv);

#endif
