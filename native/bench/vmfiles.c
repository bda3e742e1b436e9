// Files in a virtual machine, for `ringway bench --files`: the same work on whatever is mounted at a folder.
//
//   write BYTES FILE      a new file, in writes of 1 MiB, closed
//   read BYTES FILE       from its beginning, in reads of 1 MiB; again from there where it ends
//   random MS FILE        4 KiB at random places of it, one after the other, for so long
//   find MS FOLDER        busybox's find, which looks at each file, again and again for so long: FILES are counted
//   tar MS FOLDER         busybox's tar of it all, the same
//
// The guest has nothing of it in memory when the clock starts: what the kernel keeps of files and names is dropped.

#define _GNU_SOURCE
#include "vmfiles.h"

#include <fcntl.h>

#include "common.h"

enum { BLOCK_BYTES = 4096, COMMAND_BYTES = 192 };

static uint8_t block[MIB];

static void forget_all(void) {
  sync();
  const int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, "3", 1) != 1) die("drop_caches");
  close(fd);
}

static int open_file(const char *path, int flags) {
  const int fd = open(path, flags | O_CLOEXEC, 0644);
  if (fd < 0) die("%s", path);
  return fd;
}

static uint64_t write_all(uint64_t bytes, const char *path) {
  unlink(path);
  forget_all();
  const uint64_t start = now_ns();
  const int fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
  for (uint64_t done = 0; done < bytes;) {
    const ssize_t written = write(fd, block, (size_t)min_u64(bytes - done, sizeof block));
    if (written <= 0) die("write %s", path);
    done += (uint64_t)written;
  }
  if (close(fd) != 0) die("close %s", path);
  return now_ns() - start;
}

static uint64_t read_all(uint64_t bytes, const char *path) {
  uint64_t spent = 0, done = 0;
  while (done < bytes) {
    forget_all();
    const uint64_t start = now_ns(), before = done;
    const int fd = open_file(path, O_RDONLY);
    ssize_t got = 1;
    while (done < bytes && (got = read(fd, block, (size_t)min_u64(bytes - done, sizeof block))) > 0)
      done += (uint64_t)got;
    if (got < 0 || done == before) die("read %s", path);
    close(fd);
    spent += now_ns() - start;
  }
  return spent;
}

static uint64_t read_at_random(uint64_t milliseconds, const char *path, uint64_t *count) {
  forget_all();
  const int fd = open_file(path, O_RDONLY);
  posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
  const uint32_t blocks = (uint32_t)(lseek(fd, 0, SEEK_END) / BLOCK_BYTES);
  const uint64_t start = now_ns(), end = start + milliseconds * 1000000;
  uint64_t now = start;
  for (*count = 0; now < end; ++*count, now = now_ns())
    if (pread(fd, block, BLOCK_BYTES, (off_t)random_below(blocks) * BLOCK_BYTES) != BLOCK_BYTES) die("read %s", path);
  close(fd);
  return now - start;
}

// The shell's command, again and again; each pass begins with nothing in memory.
static uint64_t run_for(uint64_t milliseconds, const char *command, uint64_t *passes) {
  uint64_t spent = 0;
  for (*passes = 0; *passes == 0 || spent < milliseconds * 1000000; ++*passes) {
    forget_all();
    const uint64_t start = now_ns();
    if (system(command) != 0) FAIL("%s", command);
    spent += now_ns() - start;
  }
  return spent;
}

static uint64_t files_below(const char *folder) {
  char command[COMMAND_BYTES];
  unsigned long files;
  snprintf(command, sizeof command, "find %s -type f | wc -l", folder);
  FILE *output = popen(command, "r");
  if (output == NULL || fscanf(output, "%lu", &files) != 1 || files == 0) FAIL("%s", command);
  pclose(output);
  return files;
}

bool files_obey(const char *line, char *answer, size_t answer_bytes) {
  char name[16], path[64], command[COMMAND_BYTES];
  uintmax_t amount;
  uint64_t count = 0, spent;
  if (sscanf(line, "%15s %ju %63s", name, &amount, path) != 3 || path[0] != '/') return false;
  const bool is_write = strcmp(name, "write") == 0, is_find = strcmp(name, "find") == 0;
  if (is_write || strcmp(name, "read") == 0) {
    spent = is_write ? write_all(amount, path) : read_all(amount, path);
    snprintf(answer, answer_bytes, "{\"bytes\":%ju,\"microseconds\":%ju}\n", amount, (uintmax_t)spent / 1000);
    return true;
  }
  if (strcmp(name, "random") == 0) {
    spent = read_at_random(amount, path, &count);
  } else if (is_find || strcmp(name, "tar") == 0) {
    const uint64_t files = files_below(path);
    snprintf(command, sizeof command, is_find ? "find %s -size +1000000" : "tar -cf - %s > /dev/null", path);
    spent = run_for(amount, command, &count);
    count *= files;
  } else {
    return false;
  }
  snprintf(answer, answer_bytes, "{\"count\":%ju,\"microseconds\":%ju}\n", (uintmax_t)count, (uintmax_t)spent / 1000);
  return true;
}
