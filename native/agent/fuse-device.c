// /dev/fuse and mount(2): one descriptor for each mount, which ends with it.
//
// While the descriptor is open, who uses the mount waits for its answers; when it is closed, by whatever end of the
// agent, the kernel gives ENOTCONN to everybody. So it is closed first, and then unmounted: unmounting writes back what
// is dirty, which nobody would take.
//
// A mount that a killed agent has left stands in the way of the next one, and says ENOTCONN: it is taken away.

#define _GNU_SOURCE
#include "fuse-device.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuse-wire.h"
#include "limits.h"

static int is_left_over(const char *point) {
  struct stat stat_of;
  return stat(point, &stat_of) < 0 && errno == ENOTCONN;
}

int device_clear(const char *point) { return is_left_over(point) && umount2(point, MNT_DETACH) < 0 ? -errno : 0; }

// The kernel reads 128 KiB ahead, or less: a request of its own for each. More is allowed by the machine's root alone.
// No call here may ask the mount anything, since nobody answers yet.
static void read_ahead(const char *point) {
  char line[2 * PATH_MAX], at[PATH_MAX], path[64] = "";
  unsigned major_of, minor_of;
  FILE *mounts = fopen("/proc/self/mountinfo", "re");
  if (!mounts) return;
  while (fgets(line, sizeof line, mounts)) {
    int fields = sscanf(line, "%*d %*d %u:%u %*s %4095s", &major_of, &minor_of, at);
    if (fields == 3 && strcmp(at, point) == 0)
      snprintf(path, sizeof path, "/sys/class/bdi/%u:%u/read_ahead_kb", major_of, minor_of);
  }
  fclose(mounts);
  int fd = *path ? open(path, O_WRONLY | O_CLOEXEC) : -1;
  if (fd < 0) return;
  int written = dprintf(fd, "%d", FUSE_DATA_BYTES / 1024);
  (void)written;
  close(fd);
}

int device_mount(const char *point, const char **what) {
  struct stat stat_of;
  char options[160], real[PATH_MAX];
  *what = point;
  int status = device_clear(point);
  if (status < 0) return status;
  if (stat(point, &stat_of) < 0) return -errno;
  if (!S_ISDIR(stat_of.st_mode)) return -ENOTDIR;
  if (!realpath(point, real)) return -errno;
  *what = "/dev/fuse (module fuse?)";
  int fd = open("/dev/fuse", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return -errno;
  *what = "mount (root's right: CAP_SYS_ADMIN)";
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=%u,group_id=%u,default_permissions,allow_other", fd,
           (unsigned)geteuid(), (unsigned)getegid());
  if (mount("ringway", point, "fuse.ringway", MS_NOSUID | MS_NODEV, options) == 0) {
    read_ahead(real);
    return fd;
  }
  int error = errno;
  close(fd);
  return -error;
}

void device_close(int fd) { close(fd); }

void device_unmount(int fd, const char *point) {
  close(fd);
  umount2(point, MNT_DETACH);
}

// ENOENT: a request that was taken back before it was read.
ssize_t device_read(int fd, void *to, size_t bytes) {
  for (;;) {
    ssize_t got = read(fd, to, bytes);
    if (got >= 0) return got;
    if (errno != EINTR && errno != ENOENT) return -errno;
  }
}

void device_forget_attributes(int fd, uint64_t node) {
  struct fuse_notify_inval_inode_out out = {.ino = node, .off = -1};
  struct fuse_out_header header = {.len = sizeof header + sizeof out, .error = FUSE_NOTIFY_INVAL_INODE};
  struct iovec parts[2] = {{&header, sizeof header}, {&out, sizeof out}};
  ssize_t written = writev(fd, parts, 2);
  (void)written; // it may have forgotten all of it
}

void device_forget_names(int fd) {
  struct fuse_out_header header = {.len = sizeof header, .error = FUSE_NOTIFY_INC_EPOCH};
  ssize_t written = write(fd, &header, sizeof header);
  (void)written; // EINVAL: it does not know that
}

void device_answer(int fd, uint64_t unique, uint32_t error, const void *data, size_t bytes) {
  struct fuse_out_header header = {
      .len = (uint32_t)(sizeof header + bytes), .error = -(int32_t)error, .unique = unique};
  struct iovec parts[2] = {{&header, sizeof header}, {(void *)(uintptr_t)data, bytes}};
  ssize_t written = writev(fd, parts, bytes > 0 ? 2 : 1);
  (void)written;
}
