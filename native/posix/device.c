// Where a virtual machine has its region and its bell: the ivshmem device under /sys/bus/pci, the virtio port under
// /sys/class/virtio-ports. Neither needs a driver of ours.

#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ringway-posix.h"

#define PCI "/sys/bus/pci/devices"
#define PORTS "/sys/class/virtio-ports"

enum { PATH_BYTES = 512 };

// 1 where a small file in sysfs has just this line.
static int says(const char *folder, const char *entry, const char *file, const char *expected) {
  char path[PATH_BYTES], text[64];
  snprintf(path, sizeof path, "%s/%s/%s", folder, entry, file);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  if (got <= 0) return 0;
  text[got] = 0;
  text[strcspn(text, "\n")] = 0;
  return strcmp(text, expected) == 0;
}

// A device that no firmware has switched on would map, and fault.
static void switch_on(const char *entry) {
  char path[PATH_BYTES];
  if (!says(PCI, entry, "enable", "0")) return;
  snprintf(path, sizeof path, PCI "/%s/enable", entry);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t done = write(fd, "1", 1);
  (void)done;
  close(fd);
}

// The first in the order of the bus, so that it is the same at each start.
int rw_posix_find_region(char *path, size_t path_bytes) {
  DIR *folder = opendir(PCI);
  if (!folder) return 0;
  char found[64] = "";
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    if (strlen(entry->d_name) >= sizeof found) continue;
    if (!says(PCI, entry->d_name, "vendor", "0x1af4") || !says(PCI, entry->d_name, "device", "0x1110")) continue;
    if (found[0] == 0 || strcmp(entry->d_name, found) < 0) strcpy(found, entry->d_name);
  }
  closedir(folder);
  if (found[0] == 0) return 0;
  switch_on(found);
  return snprintf(path, path_bytes, PCI "/%s/resource2", found) < (int)path_bytes;
}

int rw_posix_find_port(const char *name, char *path, size_t path_bytes) {
  int found = 0;
  DIR *folder = opendir(PORTS);
  if (folder) {
    for (struct dirent *entry; !found && (entry = readdir(folder)) != NULL;) {
      if (entry->d_name[0] == '.' || !says(PORTS, entry->d_name, "name", name)) continue;
      found = snprintf(path, path_bytes, "/dev/%s", entry->d_name) < (int)path_bytes && access(path, F_OK) == 0;
    }
    closedir(folder);
  }
  // Where udev names them.
  if (found) return 1;
  return snprintf(path, path_bytes, "/dev/virtio-ports/%s", name) < (int)path_bytes && access(path, F_OK) == 0;
}
