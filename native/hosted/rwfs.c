// rwfs: files of the host, by one command each, as far as its policy shows them.
//
//   get, put                    file-stream: raw bytes (section 14)
//   ls, stat, mkdir, mv, rm     fs: requests and their replies (section 15)
//
// A file is written where it is to be, not beside it and renamed: the host's quota and its permissions then mean what they say.
// What get has written of a file that it could not finish is removed again. Exit: 0 done, 1 failed, 2 usage.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "programs.h"
#include "say.h"
#include "talk.h"

static const char usage[] =
    "usage: rwfs [OPTIONS] get REMOTE [LOCAL|-]    a file from the host; LOCAL is its last name if not given\n"
    "       rwfs [OPTIONS] put LOCAL|- REMOTE      a file to the host, made or replaced\n"
    "       rwfs [OPTIONS] ls [-l] PATH            what is in a folder\n"
    "       rwfs [OPTIONS] stat PATH               what a file is; a symlink is not followed\n"
    "       rwfs [OPTIONS] mkdir [-p] PATH         -p: and the folders above it\n"
    "       rwfs [OPTIONS] mv FROM TO              within one shared folder\n"
    "       rwfs [OPTIONS] rm [-d|-r] PATH         -d: an empty folder; -r: a folder and all that is in it\n"
    "\n"
    TALK_USAGE
    "  -h, --help; -V, --version\n"
    "\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage.\n";

enum { RING_BYTES = 1 << 20, SMALL_RING_BYTES = 1 << 16, ARGUMENTS_MAX = 4 };

static struct talk_options where = TALK_OPTIONS;
static struct talk talk;
static uint8_t body[2 * RW_PATH_MAX_BYTES + 64];
static const char *partial; // a local file that is not whole yet

// ── Failing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_Noreturn static void quit(int code) {
  if (code != 0 && partial) unlink(partial);
  talk_leave();
  _exit(code);
}

_Noreturn static void fail_line(void) {
  say_end();
  quit(EXIT_FAILURE);
}

static void begin(const char *what) {
  say_begin();
  say(what);
  say(": ");
}

_Noreturn static void fail(const char *what, int32_t status) {
  begin(what);
  say_status(talk_posix(), status);
  fail_line();
}

_Noreturn static void fail_errno(const char *what, int error) {
  begin(what);
  say_errno((uint32_t)error);
  fail_line();
}

_Noreturn static void fail_frame(const char *what, const struct rw_frame *frame, uint32_t error_number) {
  struct rw_error error = {.error = error_number};
  if (frame && frame->payload) rw_decode_error(frame->payload, frame->bytes, &error);
  begin(what);
  say_error(&error);
  fail_line();
}

// ── Asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

static void await(const char *what) {
  int32_t status = talk_wait(&talk, NULL, 0, 1);
  if (status < 0) fail(what, status);
}

static void open_stream(const char *what, uint32_t ring_bytes, uint32_t protocol, int32_t body_bytes,
                        struct rw_frame *answer) {
  int32_t status = body_bytes;
  if (status == RW_INVALID) fail_errno(what, EINVAL); // no text, or too long for a path
  if (status >= 0) status = talk_open(&talk, ring_bytes, protocol, body, (uint32_t)body_bytes);
  if (status == RW_REFUSED) fail_frame(what, NULL, talk.error);
  if (status == RW_OK)
    while ((status = talk_opened(&talk, answer)) == RW_AGAIN) await(what);
  if (status == RW_REFUSED) fail_frame(what, answer, talk.error);
  if (status != RW_OK) fail(what, status);
}

static void any_frame(const char *what, struct rw_frame *frame) {
  int32_t status;
  while ((status = talk_frame(&talk, frame)) == RW_AGAIN) await(what);
  if (status != RW_OK) fail(what, status == RW_END ? RW_RESET : status);
}

static void next_frame(const char *what, struct rw_frame *frame) {
  any_frame(what, frame);
  if (frame->type == RW_T_ERROR) fail_frame(what, frame, EPROTO);
}

static void ask(const char *what, uint32_t type, int32_t payload_bytes) {
  int32_t status = payload_bytes;
  if (status == RW_INVALID) fail_errno(what, EINVAL);
  if (status >= 0)
    while ((status = talk_request(&talk, type, body, (uint32_t)payload_bytes)) == RW_AGAIN) await(what);
  if (status < 0) fail(what, status);
}

static void open_fs(const char *what) {
  struct rw_frame answer;
  open_stream(what, SMALL_RING_BYTES, RW_FS, 0, &answer);
}

static int32_t path_body(const char *path) {
  return rw_encode_path(body, sizeof body, path, (uint32_t)strlen(path));
}

static void expect_done(const char *what) {
  struct rw_frame frame;
  next_frame(what, &frame);
  if (frame.type != RW_T_DONE) fail(what, RW_BAD_TYPE);
}

// ── get and put ─────────────────────────────────────────────────────────────────────────────────────────────────────

static void write_all(int fd, const char *name, const void *at, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    ssize_t put = write(fd, (const char *)at + done, bytes - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      int error = errno;
      begin(name);
      say_errno((uint32_t)error);
      fail_line();
    }
    done += (size_t)put;
  }
}

static const char *last_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static void get(const char *remote, const char *local) {
  struct rw_frame answer;
  struct rw_stat stat_of;
  uint64_t length, received = 0;
  if (!local) local = last_name(remote);
  open_stream(remote, RING_BYTES, RW_FILE_STREAM,
              rw_encode_file_stream(body, sizeof body, 1, RW_FILE_READ, 0, 0, RW_ALL_BYTES, remote,
                                    (uint32_t)strlen(remote)),
              &answer);
  if (!answer.payload || rw_decode_file_stream(answer.payload, answer.bytes, &length, &stat_of) != RW_OK)
    fail(remote, RW_BAD_PAYLOAD);
  talk_end(&talk);
  int to_stdout = strcmp(local, "-") == 0;
  int fd = to_stdout ? STDOUT_FILENO : open(local, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, stat_of.mode & 0777);
  if (fd < 0) fail_errno(local, errno);
  struct stat local_stat;
  if (!to_stdout && fstat(fd, &local_stat) == 0 && S_ISREG(local_stat.st_mode)) partial = local;
  for (;;) {
    void *at;
    int32_t bytes = talk_recv_span(&talk, &at);
    if (bytes == RW_AGAIN) {
      await(remote);
      continue;
    }
    if (bytes == RW_END) break;
    if (bytes < 0) fail(remote, bytes);
    write_all(fd, to_stdout ? "stdout" : local, at, (size_t)bytes);
    talk_recv_commit(&talk, (uint32_t)bytes);
    received += (uint64_t)bytes;
  }
  if (received != length) {
    begin(remote);
    say("ended after ");
    say_number(received);
    say(" of ");
    say_number(length);
    say(" bytes: the file shrank, or could not be read on");
    fail_line();
  }
  if (!to_stdout && close(fd) < 0) fail_errno(local, errno);
  partial = NULL;
}

// The host's last frame (FST-4): all of it is there, or up to which byte.
static void written(const char *remote, uint64_t sent) {
  struct rw_frame frame;
  struct rw_write_failed failed;
  uint64_t bytes;
  next_frame(remote, &frame);
  if (frame.type == RW_T_WRITE_DONE && rw_decode_u64(frame.payload, frame.bytes, &bytes) == RW_OK && bytes == sent)
    return;
  if (frame.type != RW_T_WRITE_FAILED || rw_decode_write_failed(frame.payload, frame.bytes, &failed) != RW_OK)
    fail(remote, RW_BAD_PAYLOAD);
  begin(remote);
  say_error(&failed.error);
  say("; ");
  say_number(failed.bytes);
  say(" bytes were written");
  fail_line();
}

static void put(const char *local, const char *remote) {
  struct rw_frame answer;
  struct stat stat_of;
  int from_stdin = strcmp(local, "-") == 0;
  int fd = from_stdin ? STDIN_FILENO : open(local, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &stat_of) < 0) fail_errno(local, errno);
  if (S_ISDIR(stat_of.st_mode)) fail_errno(local, EISDIR);
  uint32_t mode = S_ISREG(stat_of.st_mode) ? stat_of.st_mode & 0777 : 0644;
  open_stream(remote, RING_BYTES, RW_FILE_STREAM,
              rw_encode_file_stream(body, sizeof body, 2, RW_FILE_WRITE | RW_FILE_CREATE | RW_FILE_TRUNCATE, mode, 0,
                                    RW_ALL_BYTES, remote, (uint32_t)strlen(remote)),
              &answer);
  uint64_t sent = 0;
  for (;;) {
    void *at;
    int32_t room = talk_send_span(&talk, &at);
    if (room == RW_AGAIN) {
      await(remote);
      continue;
    }
    if (room == RW_CLOSED || room == RW_RESET) break; // the host has something to say
    if (room < 0) fail(remote, room);
    ssize_t got = read(fd, at, (size_t)room);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_errno(local, errno);
    if (got == 0) {
      talk_end(&talk);
      break;
    }
    int32_t status = talk_send_commit(&talk, (uint32_t)got);
    if (status == RW_CLOSED || status == RW_RESET) break;
    if (status < 0) fail(remote, status);
    sent += (uint64_t)got;
  }
  written(remote, sent);
}

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
  if (length > 0) write_all(STDOUT_FILENO, "stdout", line, (size_t)length);
}

static void stat_reply(const char *what, struct rw_stat *stat_of) {
  struct rw_frame frame;
  next_frame(what, &frame);
  if (frame.type != RW_T_STAT_REPLY || rw_decode_stat(frame.payload, frame.bytes, stat_of) != RW_OK)
    fail(what, RW_BAD_PAYLOAD);
}

// The names of a folder, each ended by NUL, in `list`: what a listing was is not overtaken by the requests that follow it.
struct list {
  char *bytes;
  size_t length, room;
};

static void keep(struct list *list, const struct rw_entry *entry) {
  if (list->length + entry->name.length + 1 > list->room) {
    list->room = 2 * list->room + 1024;
    list->bytes = realloc(list->bytes, list->room);
    if (!list->bytes) fail_errno("names of a folder", ENOMEM);
  }
  memcpy(list->bytes + list->length, entry->name.bytes, entry->name.length);
  list->length += entry->name.length;
  list->bytes[list->length++] = 0;
}

static uint32_t read_folder(const char *path, struct list *list) {
  uint32_t more = 1, skipped = 0;
  ask(path, RW_T_READ_DIR, path_body(path));
  while (more) {
    struct rw_frame frame;
    struct rw_list entries;
    struct rw_entry entry;
    uint32_t skipped_now;
    next_frame(path, &frame);
    if (frame.type != RW_T_ENTRIES ||
        rw_decode_entries(frame.payload, frame.bytes, &more, &skipped_now, &entries) != RW_OK)
      fail(path, RW_BAD_PAYLOAD);
    while (rw_next_entry(&entries, &entry) == 1) keep(list, &entry);
    skipped += skipped_now;
  }
  return skipped;
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static void list_folder(const char *path, int in_full) {
  struct list list = {0};
  open_fs(path);
  uint32_t skipped = read_folder(path, &list);
  size_t count = 0;
  for (size_t at = 0; at < list.length; at += strlen(list.bytes + at) + 1) count++;
  const char **names = malloc((count + 1) * sizeof *names);
  if (!names) fail_errno("ls", ENOMEM);
  count = 0;
  for (size_t at = 0; at < list.length; at += strlen(list.bytes + at) + 1) names[count++] = list.bytes + at;
  qsort(names, count, sizeof *names, by_name);
  for (size_t i = 0; i < count; i++) {
    if (in_full) {
      struct rw_stat stat_of;
      char full[RW_PATH_MAX_BYTES + RW_NAME_MAX_BYTES + 2];
      snprintf(full, sizeof full, "%s/%s", path, names[i]);
      ask(full, RW_T_LSTAT, path_body(full));
      stat_reply(full, &stat_of);
      print_long(&stat_of, names[i]);
    } else {
      const char *name = shown(names[i]);
      write_all(STDOUT_FILENO, "stdout", name, strlen(name));
      write_all(STDOUT_FILENO, "stdout", "\n", 1);
    }
  }
  if (skipped > 0) {
    begin(path);
    say_number(skipped);
    say(" names that are not UTF-8 are not shown");
    say_end();
  }
}

static void show(const char *path) {
  struct rw_stat stat_of;
  open_fs(path);
  ask(path, RW_T_LSTAT, path_body(path));
  stat_reply(path, &stat_of);
  print_long(&stat_of, path);
}

// ── mkdir, mv, rm ───────────────────────────────────────────────────────────────────────────────────────────────────

static void make_folder(const char *path, int parents) {
  open_fs(path);
  ask(path, RW_T_MKDIR, rw_encode_mkdir(body, sizeof body, 0755, (uint32_t)parents, path, (uint32_t)strlen(path)));
  expect_done(path);
}

static int is_about_target(uint32_t error) {
  static const uint32_t errors[] = {ENOENT, ENOTDIR, EISDIR, EEXIST, ENOTEMPTY}; // of a source that is there
  for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
    if (errors[i] == error) return 1;
  return 0;
}

// The host does not tell which of the two it was: whether the first is there says more.
static void move(const char *from, const char *to) {
  static uint8_t refusal[2 * RW_TEXT_MAX_BYTES + 64];
  static char both[2 * RW_PATH_MAX_BYTES + 8];
  struct rw_frame frame;
  struct rw_error error;
  open_fs(from);
  ask(from, RW_T_RENAME,
      rw_encode_two_paths(body, sizeof body, from, (uint32_t)strlen(from), to, (uint32_t)strlen(to)));
  any_frame(from, &frame);
  if (frame.type == RW_T_DONE) return;
  if (frame.type != RW_T_ERROR || !frame.payload || frame.bytes > sizeof refusal) fail(from, RW_BAD_TYPE);
  memcpy(refusal, frame.payload, frame.bytes); // until the next frame has come
  frame.payload = refusal;
  if (rw_decode_error(refusal, frame.bytes, &error) != RW_OK) fail(from, RW_BAD_PAYLOAD);
  snprintf(both, sizeof both, "%s to %s", from, to);
  if (error.rule.length > 0 || !is_about_target(error.error)) fail_frame(both, &frame, EPROTO);
  struct rw_stat stat_of;
  ask(from, RW_T_LSTAT, path_body(from));
  stat_reply(from, &stat_of); // or it ends here
  begin(to);
  say_errno(error.error); // the reason names both
  fail_line();
}

static void delete(const char *path, uint32_t type) {
  ask(path, type, path_body(path));
  expect_done(path);
}

// The depth is bounded by the length of a path, and each level has its own listing while it works on it. A link is removed, not followed.
static void delete_tree(const char *path) {
  struct rw_stat stat_of;
  ask(path, RW_T_LSTAT, path_body(path));
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
    if (!full) fail_errno("rm", ENOMEM);
    snprintf(full, bytes, "%s/%s", path, names.bytes + at);
    delete_tree(full);
    free(full);
  }
  free(names.bytes);
  delete(path, RW_T_RMDIR); // says it where names that are not UTF-8 are left
}

static void remove_path(const char *path, char how) {
  open_fs(path);
  if (how == 'r') delete_tree(path);
  else delete(path, how == 'd' ? RW_T_RMDIR : RW_T_UNLINK);
}

// ── Arguments ───────────────────────────────────────────────────────────────────────────────────────────────────────

static int is_option(const char *argument) { return argument[0] == '-' && argument[1] != 0; }

static void run(char **words, int count, const char *flag) {
  static const struct {
    const char *name, *flags;
    int least, most;
  } verbs[] = {{"get", "", 1, 2},     {"put", "", 2, 2}, {"ls", "-l", 1, 1}, {"stat", "", 1, 1},
               {"mkdir", "-p", 1, 1}, {"mv", "", 2, 2},  {"rm", "-d-r", 1, 1}};
  if (count == 0) say_wrong_usage("what to do?", NULL);
  size_t verb = 0, verbs_count = sizeof verbs / sizeof verbs[0];
  while (verb < verbs_count && strcmp(words[0], verbs[verb].name) != 0) verb++;
  if (verb == verbs_count) say_wrong_usage("unknown command", words[0]);
  if (flag && (strlen(flag) != 2 || !strstr(verbs[verb].flags, flag))) say_wrong_usage("unknown option", flag);
  if (count - 1 < verbs[verb].least || count - 1 > verbs[verb].most)
    say_wrong_usage("another number of paths is wanted", words[0]);
  int32_t status = talk_attach(&where);
  if (status == RW_STATE) say_wrong_usage(TALK_NOWHERE, NULL);
  if (status != RW_OK) fail("attach", status);
  switch (verb) {
    case 0: get(words[1], words[2]); break;
    case 1: put(words[1], words[2]); break;
    case 2: list_folder(words[1], flag != NULL); break;
    case 3: show(words[1]); break;
    case 4: make_folder(words[1], flag != NULL); break;
    case 5: move(words[1], words[2]); break;
    default: remove_path(words[1], flag ? flag[1] : 0); break;
  }
}

int rwfs_main(int argc, char **argv) {
  char *words[ARGUMENTS_MAX + 1] = {NULL};
  const char *flag = NULL;
  int count = 0;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
      say_help(usage);
    }
    if (strcmp(argv[i], "-V") == 0 || strcmp(argv[i], "--version") == 0) say_version();
    // Behind the command a letter is the command's: -r is not --region there.
    int is_letter = count > 0 && strncmp(argv[i], "--", 2) != 0;
    int taken = is_letter ? 0 : talk_option(&where, argv[i], argv[i + 1]);
    if (taken < 0) say_wrong_usage("a value is missing, or no number", argv[i]);
    if (taken > 0) i++;
    else if (is_option(argv[i]) && flag) say_wrong_usage("too many options", argv[i]);
    else if (is_option(argv[i])) flag = argv[i];
    else if (count == ARGUMENTS_MAX) say_wrong_usage("too many paths", argv[i]);
    else words[count++] = argv[i];
  }
  const char *wrong = talk_check(&where);
  if (wrong) say_wrong_usage(wrong, NULL);
  signal(SIGPIPE, SIG_IGN);
  run(words, count, flag);
  talk_close(&talk);
  quit(EXIT_SUCCESS);
}
