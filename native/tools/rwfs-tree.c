// What rwfs does in the tree of files: each a request of fs and its reply, on one stream. See rwfs.c.

#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rwfs-ask.h"
#include "rwfs-tree.h"

// ── ls and stat ─────────────────────────────────────────────────────────────────────────────────────────────────────

static char kind_letter(uint32_t kind) {
  switch (kind) {
    case RW_KIND_FILE: return '-';
    case RW_KIND_DIRECTORY: return 'd';
    case RW_KIND_SYMLINK: return 'l';
    default: return '?';
  }
}

// As it may be shown: on a terminal, control bytes would be orders to it.
static const char *shown(const char *name) {
  static char clean[RW_PATH_MAX_BYTES + 1];
  if (!isatty(STDOUT_FILENO)) return name;
  size_t at = 0;
  for (; name[at] && at < sizeof clean - 1; at++)
    clean[at] = (unsigned char)name[at] < ' ' || name[at] == 0x7f ? '?' : name[at];
  clean[at] = 0;
  return clean;
}

// "-rw-r--r--        1234  2026-01-31 12:00  name", the time in UTC.
static void print_long(const struct rw_stat *stat_of, const char *name) {
  char line[512 + RW_PATH_MAX_BYTES], mode[11];
  mode[0] = kind_letter(stat_of->kind);
  for (int i = 0; i < 9; i++) mode[i + 1] = (char)(stat_of->mode & (0400u >> i) ? "rwxrwxrwx"[i] : '-');
  mode[10] = 0;
  time_t seconds = (time_t)stat_of->modified.seconds;
  struct tm time_of = {0};
  gmtime_r(&seconds, &time_of);
  int length = snprintf(line, sizeof line, "%s %12llu  %04d-%02d-%02d %02d:%02d  %s\n", mode,
                        (unsigned long long)stat_of->size, time_of.tm_year + 1900, time_of.tm_mon + 1, time_of.tm_mday,
                        time_of.tm_hour, time_of.tm_min, shown(name));
  if (length > 0) rwfs_write(STDOUT_FILENO, "stdout", line, (size_t)length);
}

static void stat_reply(const char *what, struct rw_stat *stat_of) {
  struct rw_frame frame;
  rwfs_next_frame(what, &frame);
  if (frame.type != RW_T_STAT_REPLY || rw_decode_stat(frame.payload, frame.bytes, stat_of) != RW_OK)
    job_fail(what, RW_BAD_PAYLOAD);
}

// The names of a folder, each ended by NUL: what a listing was is not overtaken by the requests that follow it.
struct list {
  char *bytes;
  size_t length, room;
};

static void keep(struct list *list, const struct rw_entry *entry) {
  if (list->length + entry->name.length + 1 > list->room) {
    list->room = 2 * list->room + 1024;
    list->bytes = realloc(list->bytes, list->room);
    if (!list->bytes) job_fail_errno("names of a folder", ENOMEM);
  }
  memcpy(list->bytes + list->length, entry->name.bytes, entry->name.length);
  list->length += entry->name.length;
  list->bytes[list->length++] = 0;
}

static uint32_t read_folder(const char *path, struct list *list) {
  uint32_t more = 1, skipped = 0;
  rwfs_ask(path, RW_T_READ_DIR, rwfs_path(path));
  while (more) {
    struct rw_frame frame;
    struct rw_list entries;
    struct rw_entry entry;
    uint32_t skipped_now;
    rwfs_next_frame(path, &frame);
    if (frame.type != RW_T_ENTRIES ||
        rw_decode_entries(frame.payload, frame.bytes, &more, &skipped_now, &entries) != RW_OK)
      job_fail(path, RW_BAD_PAYLOAD);
    while (rw_next_entry(&entries, &entry) == 1) keep(list, &entry);
    skipped += skipped_now;
  }
  return skipped;
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

void rwfs_list(const char *path, int in_full) {
  struct list list = {0};
  rwfs_open(path);
  uint32_t skipped = read_folder(path, &list);
  size_t count = 0;
  for (size_t at = 0; at < list.length; at += strlen(list.bytes + at) + 1) count++;
  const char **names = malloc((count + 1) * sizeof *names);
  if (!names) job_fail_errno("ls", ENOMEM);
  count = 0;
  for (size_t at = 0; at < list.length; at += strlen(list.bytes + at) + 1) names[count++] = list.bytes + at;
  qsort(names, count, sizeof *names, by_name);
  for (size_t i = 0; i < count; i++) {
    if (in_full) {
      struct rw_stat stat_of;
      char full[RW_PATH_MAX_BYTES + RW_NAME_MAX_BYTES + 2];
      snprintf(full, sizeof full, "%s/%s", path, names[i]);
      rwfs_ask(full, RW_T_LSTAT, rwfs_path(full));
      stat_reply(full, &stat_of);
      print_long(&stat_of, names[i]);
    } else {
      const char *name = shown(names[i]);
      rwfs_write(STDOUT_FILENO, "stdout", name, strlen(name));
      rwfs_write(STDOUT_FILENO, "stdout", "\n", 1);
    }
  }
  if (skipped > 0) {
    job_begin(path);
    say_number(skipped);
    say(" names that are not UTF-8 are not shown");
    say_end();
  }
}

void rwfs_stat(const char *path) {
  struct rw_stat stat_of;
  rwfs_open(path);
  rwfs_ask(path, RW_T_LSTAT, rwfs_path(path));
  stat_reply(path, &stat_of);
  print_long(&stat_of, path);
}

// ── mkdir, mv, rm ───────────────────────────────────────────────────────────────────────────────────────────────────

void rwfs_mkdir(const char *path, int parents) {
  rwfs_open(path);
  rwfs_ask(path, RW_T_MKDIR,
           rw_encode_mkdir(rwfs_body, sizeof rwfs_body, 0755, (uint32_t)parents, path, (uint32_t)strlen(path)));
  rwfs_expect_done(path);
}

static int is_about_target(uint32_t error) {
  static const uint32_t errors[] = {ENOENT, ENOTDIR, EISDIR, EEXIST, ENOTEMPTY}; // of a source that is there
  for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
    if (errors[i] == error) return 1;
  return 0;
}

// The host does not tell which of the two it was: whether the first is there says more.
void rwfs_move(const char *from, const char *to) {
  static uint8_t refusal[2 * RW_TEXT_MAX_BYTES + 64];
  static char both[2 * RW_PATH_MAX_BYTES + 8];
  struct rw_frame frame;
  struct rw_error error;
  rwfs_open(from);
  rwfs_ask(from, RW_T_RENAME,
      rw_encode_two_paths(rwfs_body, sizeof rwfs_body, from, (uint32_t)strlen(from), to, (uint32_t)strlen(to)));
  rwfs_any_frame(from, &frame);
  if (frame.type == RW_T_DONE) return;
  if (frame.type != RW_T_ERROR || !frame.payload || frame.bytes > sizeof refusal) job_fail(from, RW_BAD_TYPE);
  memcpy(refusal, frame.payload, frame.bytes); // until the next frame has come
  frame.payload = refusal;
  if (rw_decode_error(refusal, frame.bytes, &error) != RW_OK) job_fail(from, RW_BAD_PAYLOAD);
  snprintf(both, sizeof both, "%s to %s", from, to);
  if (error.rule.length > 0 || !is_about_target(error.error)) job_fail_frame(both, &frame, EPROTO);
  struct rw_stat stat_of;
  rwfs_ask(from, RW_T_LSTAT, rwfs_path(from));
  stat_reply(from, &stat_of); // or it ends here
  job_begin(to);
  say_errno(error.error); // the reason names both
  job_fail_line();
}

static void delete(const char *path, uint32_t type) {
  rwfs_ask(path, type, rwfs_path(path));
  rwfs_expect_done(path);
}

// The depth is bounded by the length of a path, and each level has its own listing while it works on it. A link is
// removed, not followed.
static void delete_tree(const char *path) {
  struct rw_stat stat_of;
  rwfs_ask(path, RW_T_LSTAT, rwfs_path(path));
  stat_reply(path, &stat_of);
  if (stat_of.kind != RW_KIND_DIRECTORY) {
    delete(path, RW_T_UNLINK);
    return;
  }
  struct list names = {0};
  read_folder(path, &names);
  for (size_t at = 0; at < names.length; at += strlen(names.bytes + at) + 1) {
    size_t bytes = strlen(path) + strlen(names.bytes + at) + 2;
    char *full = malloc(bytes);
    if (!full) job_fail_errno("rm", ENOMEM);
    snprintf(full, bytes, "%s/%s", path, names.bytes + at);
    delete_tree(full);
    free(full);
  }
  free(names.bytes);
  delete(path, RW_T_RMDIR); // says it where names that are not UTF-8 are left
}

void rwfs_remove(const char *path, char how) {
  rwfs_open(path);
  if (how == 'r') delete_tree(path);
  else delete(path, how == 'd' ? RW_T_RMDIR : RW_T_UNLINK);
}
