// rwfs: files of the host, by one command each, as far as its policy shows them.
//
//   get, put                    file-stream: raw bytes (section 14)
//   ls, stat, mkdir, mv, rm     fs: requests and their replies (section 15), in rwfs-tree.c
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
#include "rwfs.h"

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
uint8_t rwfs_body[RWFS_BODY_BYTES];
static const char *partial; // a local file that is not whole yet

// ── Failing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_Noreturn static void quit(int code) {
  if (code != 0 && partial) unlink(partial);
  talk_leave();
  _exit(code);
}

_Noreturn void rwfs_fail_line(void) {
  say_end();
  quit(EXIT_FAILURE);
}

void rwfs_begin(const char *what) {
  say_begin();
  say(what);
  say(": ");
}

_Noreturn void rwfs_fail(const char *what, int32_t status) {
  rwfs_begin(what);
  say_status(talk_posix(), status);
  rwfs_fail_line();
}

_Noreturn void rwfs_fail_errno(const char *what, int error) {
  rwfs_begin(what);
  say_errno((uint32_t)error);
  rwfs_fail_line();
}

_Noreturn void rwfs_fail_frame(const char *what, const struct rw_frame *frame, uint32_t error_number) {
  struct rw_error error = {.error = error_number};
  if (frame && frame->payload) rw_decode_error(frame->payload, frame->bytes, &error);
  rwfs_begin(what);
  say_error(&error);
  rwfs_fail_line();
}

// ── Asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

static void await(const char *what) {
  int32_t status = talk_wait(&talk, NULL, 0, 1);
  if (status < 0) rwfs_fail(what, status);
}

static void open_stream(const char *what, uint32_t ring_bytes, uint32_t protocol, int32_t body_bytes,
                        struct rw_frame *answer) {
  int32_t status = body_bytes;
  if (status == RW_INVALID) rwfs_fail_errno(what, EINVAL); // no text, or too long for a path
  if (status >= 0) status = talk_open(&talk, ring_bytes, protocol, rwfs_body, (uint32_t)body_bytes);
  if (status == RW_REFUSED) rwfs_fail_frame(what, NULL, talk.error);
  if (status == RW_OK)
    while ((status = talk_opened(&talk, answer)) == RW_AGAIN) await(what);
  if (status == RW_REFUSED) rwfs_fail_frame(what, answer, talk.error);
  if (status != RW_OK) rwfs_fail(what, status);
}

void rwfs_any_frame(const char *what, struct rw_frame *frame) {
  int32_t status;
  while ((status = talk_frame(&talk, frame)) == RW_AGAIN) await(what);
  if (status != RW_OK) rwfs_fail(what, status == RW_END ? RW_RESET : status);
}

void rwfs_next_frame(const char *what, struct rw_frame *frame) {
  rwfs_any_frame(what, frame);
  if (frame->type == RW_T_ERROR) rwfs_fail_frame(what, frame, EPROTO);
}

void rwfs_ask(const char *what, uint32_t type, int32_t payload_bytes) {
  int32_t status = payload_bytes;
  if (status == RW_INVALID) rwfs_fail_errno(what, EINVAL);
  if (status >= 0)
    while ((status = talk_request(&talk, type, rwfs_body, (uint32_t)payload_bytes)) == RW_AGAIN) await(what);
  if (status < 0) rwfs_fail(what, status);
}

void rwfs_open(const char *what) {
  struct rw_frame answer;
  open_stream(what, SMALL_RING_BYTES, RW_FS, 0, &answer);
}

int32_t rwfs_path(const char *path) {
  return rw_encode_path(rwfs_body, sizeof rwfs_body, path, (uint32_t)strlen(path));
}

void rwfs_expect_done(const char *what) {
  struct rw_frame frame;
  rwfs_next_frame(what, &frame);
  if (frame.type != RW_T_DONE) rwfs_fail(what, RW_BAD_TYPE);
}

// ── get and put ─────────────────────────────────────────────────────────────────────────────────────────────────────

void rwfs_write(int fd, const char *name, const void *at, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    ssize_t put = write(fd, (const char *)at + done, bytes - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      int error = errno;
      rwfs_begin(name);
      say_errno((uint32_t)error);
      rwfs_fail_line();
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
              rw_encode_file_stream(rwfs_body, sizeof rwfs_body, 1, RW_FILE_READ, 0, 0, RW_ALL_BYTES, remote,
                                    (uint32_t)strlen(remote)),
              &answer);
  if (!answer.payload || rw_decode_file_stream(answer.payload, answer.bytes, &length, &stat_of) != RW_OK)
    rwfs_fail(remote, RW_BAD_PAYLOAD);
  talk_end(&talk);
  int to_stdout = strcmp(local, "-") == 0;
  int fd = to_stdout ? STDOUT_FILENO : open(local, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, stat_of.mode & 0777);
  if (fd < 0) rwfs_fail_errno(local, errno);
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
    if (bytes < 0) rwfs_fail(remote, bytes);
    rwfs_write(fd, to_stdout ? "stdout" : local, at, (size_t)bytes);
    talk_recv_commit(&talk, (uint32_t)bytes);
    received += (uint64_t)bytes;
  }
  if (received != length) {
    rwfs_begin(remote);
    say("ended after ");
    say_number(received);
    say(" of ");
    say_number(length);
    say(" bytes: the file shrank, or could not be read on");
    rwfs_fail_line();
  }
  if (!to_stdout && close(fd) < 0) rwfs_fail_errno(local, errno);
  partial = NULL;
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
    rwfs_fail(remote, RW_BAD_PAYLOAD);
  rwfs_begin(remote);
  say_error(&failed.error);
  say("; ");
  say_number(failed.bytes);
  say(" bytes were written");
  rwfs_fail_line();
}

static void put(const char *local, const char *remote) {
  struct rw_frame answer;
  struct stat stat_of;
  int from_stdin = strcmp(local, "-") == 0;
  int fd = from_stdin ? STDIN_FILENO : open(local, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &stat_of) < 0) rwfs_fail_errno(local, errno);
  if (S_ISDIR(stat_of.st_mode)) rwfs_fail_errno(local, EISDIR);
  uint32_t mode = S_ISREG(stat_of.st_mode) ? stat_of.st_mode & 0777 : 0644;
  uint32_t flags = RW_FILE_WRITE | RW_FILE_CREATE | RW_FILE_TRUNCATE;
  open_stream(remote, RING_BYTES, RW_FILE_STREAM,
              rw_encode_file_stream(rwfs_body, sizeof rwfs_body, 2, flags, mode, 0, RW_ALL_BYTES, remote,
                                    (uint32_t)strlen(remote)),
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
    if (room < 0) rwfs_fail(remote, room);
    ssize_t got = read(fd, at, (size_t)room);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) rwfs_fail_errno(local, errno);
    if (got == 0) {
      talk_end(&talk);
      break;
    }
    int32_t status = talk_send_commit(&talk, (uint32_t)got);
    if (status == RW_CLOSED || status == RW_RESET) break;
    if (status < 0) rwfs_fail(remote, status);
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
  int32_t status = talk_attach(&where);
  if (status == RW_STATE) say_wrong_usage(TALK_NOWHERE, NULL);
  if (status != RW_OK) rwfs_fail("attach", status);
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
  talk_close(&talk);
  quit(EXIT_SUCCESS);
}
