// See job.h. Whatever goes wrong ends the program, with one line on stderr and exit code 1.

#define _GNU_SOURCE
#include "job.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct talk job_talk;
const char *job_partial;

// ── Failing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_Noreturn void job_quit(int code) {
  if (code != 0 && job_partial) unlink(job_partial);
  talk_leave();
  _exit(code);
}

void job_begin(const char *what) {
  say_begin();
  say(what);
  say(": ");
}

_Noreturn void job_fail_line(void) {
  say_end();
  job_quit(EXIT_FAILURE);
}

_Noreturn void job_fail(const char *what, int32_t status) {
  job_begin(what);
  say_status(talk_posix(), status);
  job_fail_line();
}

_Noreturn void job_fail_errno(const char *what, int error) {
  job_begin(what);
  say_errno((uint32_t)error);
  job_fail_line();
}

_Noreturn void job_fail_error(const char *what, const struct rw_error *error) {
  job_begin(what);
  say_error(error);
  job_fail_line();
}

_Noreturn void job_fail_frame(const char *what, const struct rw_frame *frame, uint32_t error_number) {
  struct rw_error error = {.error = error_number};
  if (frame && frame->payload) rw_decode_error(frame->payload, frame->bytes, &error);
  job_fail_error(what, &error);
}

// ── Asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

void job_attach(const struct talk_options *options) {
  int32_t status = talk_attach(options);
  if (status == RW_STATE) say_wrong_usage(TALK_NOWHERE, NULL);
  if (status != RW_OK) job_fail("attach", status);
}

void job_wait(const char *what) {
  int32_t status = talk_wait(&job_talk, NULL, 0, 1);
  if (status < 0) job_fail(what, status);
}

void job_open(const char *what, uint32_t ring_bytes, uint32_t protocol, const uint8_t *body, int32_t body_bytes,
              struct rw_frame *answer) {
  int32_t status = body_bytes;
  if (status >= 0) status = talk_open(&job_talk, ring_bytes, protocol, body, (uint32_t)body_bytes);
  if (status == RW_REFUSED) job_fail_frame(what, NULL, job_talk.error);
  if (status == RW_OK)
    while ((status = talk_opened(&job_talk, answer)) == RW_AGAIN) job_wait(what);
  if (status == RW_REFUSED) job_fail_frame(what, answer, job_talk.error);
  // No text, or longer than the field may be.
  if (status == RW_INVALID || status == RW_TOO_LONG) job_fail_errno(what, EINVAL);
  if (status != RW_OK) job_fail(what, status);
}
