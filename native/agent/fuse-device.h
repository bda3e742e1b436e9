// /dev/fuse and mount(2): see fuse-device.c.

#ifndef RINGWAY_AGENT_FUSE_DEVICE_H
#define RINGWAY_AGENT_FUSE_DEVICE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int device_clear(const char *point); // takes away what a killed agent has left: 0, or a negative errno
// Mounts at `point`: the device's descriptor, or a negative errno, with `*what` to blame.
int device_mount(const char *point, const char **what);
void device_unmount(int fd, const char *point);
void device_close(int fd); // it is mounted no more

// The next request, whole: its bytes; -EAGAIN: there is none; -ENODEV: it is mounted no more.
ssize_t device_read(int fd, void *to, size_t bytes);
// An errno, or data. Where nobody waits for it any more it is nobody's.
void device_answer(int fd, uint64_t unique, uint32_t error, const void *data, size_t bytes);

// The kernel believes in a node's attributes no more. Of its pages alone it would have to wait for others.
void device_forget_attributes(int fd, uint64_t node);
void device_forget_names(int fd); // all of them; before Linux 6.16 none

#endif
