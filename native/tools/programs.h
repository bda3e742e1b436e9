// Programs that may share a binary: each file has its main() by another name, and `*-main.c` or agent/main.c calls it.

#ifndef RINGWAY_PROGRAMS_H
#define RINGWAY_PROGRAMS_H

int rwcat_main(int argc, char **argv);
int rwfs_main(int argc, char **argv);
int rwexit_main(int argc, char **argv);

// Steps of `ringway run`.
enum { EXIT_CANNOT = 125 }; // it cannot do its own work; below and above are codes of the program's
int rwenter_main(int argc, char **argv);
int rwmounts_main(int argc, char **argv);
int rwinit_main(int argc, char **argv);

#endif
