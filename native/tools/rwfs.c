// rwfs: files of the host, by one command each, as far as its policy shows them.
//
//   get, put                    file-stream: raw bytes (section 14)
//   ls, stat, mkdir, mv, rm     fs: requests and their replies (section 15), in rwfs-tree.c and rwfs-ask.c
//
// A file is written where it is to be, not beside it and renamed: the host's quota and its permissions then mean what
// they say. What get has written of a file that it could not finish is removed again. Exit: 0 done, 1 failed, 2 usage.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "programs.h"
#include "rwfs-ask.h"
#include "rwfs-tree.h"

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

enum { RING_BYTES = 1 << 20, ARGUMENTS_MAX = 4 };

static struct talk_options where = TALK_OPTIONS;

// ── get and put ─────────────────────────────────────────────────────────────────────────────────────────────────────

static const char *last_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static void get(const char *remote, const char *local) {
  struct rw_frame answer;
  struct rw_stat stat_of;
  uint64_t length, received = 0;
  if (!local) local = last_name(remote);
  job_open(remote, RING_BYTES, RW_FILE_STREAM, rwfs_body,
           rw_encode_file_stream(rwfs_body, sizeof rwfs_body, 1, RW_FILE_READ, 0, 0, RW_ALL_BYTES, remote,
                                 (uint32_t)strlen(remote)),
           &answer);
  if (!answer.payload || rw_decode_file_stream(answer.payload, answer.bytes, &length, &stat_of) != RW_OK)
    job_fail(remote, RW_BAD_PAYLOAD);
  talk_end(&job_talk);
  int to_stdout = strcmp(local, "-") == 0;
  int fd = to_stdout ? STDOUT_FILENO : open(local, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, stat_of.mode & 0777);
  if (fd < 0) job_fail_errno(local, errno);
  struct stat local_stat;
  if (!to_stdout && fstat(fd, &local_stat) == 0 && S_ISREG(local_stat.st_mode)) job_partial = local;
  for (;;) {
    void *at;
    int32_t bytes = talk_recv_span(&job_talk, &at);
    if (bytes == RW_AGAIN) {
      job_wait(remote);
      continue;
    }
    if (bytes == RW_END) break;
    if (bytes < 0) job_fail(remote, bytes);
    rwfs_write(fd, to_stdout ? "stdout" : local, at, (size_t)bytes);
    talk_recv_commit(&job_talk, (uint32_t)bytes);
    received += (uint64_t)bytes;
  }
  if (received != length) {
    job_begin(remote);
    say("ended after ");
    say_number(received);
    say(" of ");
    say_number(length);
    say(" bytes: the file shrank, or could not be read on");
    job_fail_line();
  }
  if (!to_stdout && close(fd) < 0) job_fail_errno(local, errno);
  job_partial = NULL;
}

// The host's last frame (FST-4): all of it is there, or up to which byte.
static void written(const char *remote, uint64_t sent) {
  struct rw_frame frame;
  struct rw_write_failed failed;
  uint64_t bytes;
  rwfs_next_frame(remote, &frame);
  if (frame.type == RW_T_WRITE_DONE && rw_decode_u64(frame.payload, frame.bytes, &bytes) == RW_OK && bytes == sent)
    return;
  if (frame.type != RW_T_WRITE_FAILED || rw_decode_write_failed(frame.payload, frame.bytes, &failed) != RW_OK)
    job_fail(remote, RW_BAD_PAYLOAD);
  job_begin(remote);
  say_error(&failed.error);
  say("; ");
  say_number(failed.bytes);
  say(" bytes were written");
  job_fail_line();
}

static void put(const char *local, const char *remote) {
  struct rw_frame answer;
  struct stat stat_of;
  int from_stdin = strcmp(local, "-") == 0;
  int fd = from_stdin ? STDIN_FILENO : open(local, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &stat_of) < 0) job_fail_errno(local, errno);
  if (S_ISDIR(stat_of.st_mode)) job_fail_errno(local, EISDIR);
  uint32_t mode = S_ISREG(stat_of.st_mode) ? stat_of.st_mode & 0777 : 0644;
  uint32_t flags = RW_FILE_WRITE | RW_FILE_CREATE | RW_FILE_TRUNCATE;
  job_open(remote, RING_BYTES, RW_FILE_STREAM, rwfs_body,
           rw_encode_file_stream(rwfs_body, sizeof rwfs_body, 2, flags, mode, 0, RW_ALL_BYTES, remote,
                                 (uint32_t)strlen(remote)),
           &answer);
  uint64_t sent = 0;
  for (;;) {
    void *at;
    int32_t room = talk_send_span(&job_talk, &at);
    if (room == RW_AGAIN) {
      job_wait(remote);
      continue;
    }
    if (room == RW_CLOSED || room == RW_RESET) break; // the host has something to say
    if (room < 0) job_fail(remote, room);
    ssize_t got = read(fd, at, (size_t)room);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) job_fail_errno(local, errno);
    if (got == 0) {
      talk_end(&job_talk);
      break;
    }
    int32_t status = talk_send_commit(&job_talk, (uint32_t)got);
    if (status == RW_CLOSED || status == RW_RESET) break;
    if (status < 0) job_fail(remote, status);
    sent += (uint64_t)got;
  }
  written(remote, sent);
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
  job_attach(&where);
  switch (verb) {
    case 0: get(words[1], words[2]); break;
    case 1: put(words[1], words[2]); break;
    case 2: rwfs_list(words[1], flag != NULL); break;
    case 3: rwfs_stat(words[1]); break;
    case 4: rwfs_mkdir(words[1], flag != NULL); break;
    case 5: rwfs_move(words[1], words[2]); break;
    default: rwfs_remove(words[1], flag ? flag[1] : 0); break;
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
  talk_close(&job_talk);
  job_quit(EXIT_SUCCESS);
}
