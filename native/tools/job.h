// A tool that does one job on one stream of the host's: how it attaches, opens, waits and fails. For rwcat and rwfs.
// `what` begins a line on stderr, behind the tool's name: a path, or what is being done.

#ifndef RINGWAY_JOB_H
#define RINGWAY_JOB_H

#include "say.h"
#include "talk.h"

extern struct talk job_talk;
extern const char *job_partial; // a local file that is not whole yet, or NULL: it goes where the job fails

void job_begin(const char *what); // of a line
_Noreturn void job_fail_line(void);
_Noreturn void job_fail(const char *what, int32_t status);
_Noreturn void job_fail_errno(const char *what, int error);
_Noreturn void job_fail_error(const char *what, const struct rw_error *error);
// By Error or Refused; by `error_number` where no such payload is there.
_Noreturn void job_fail_frame(const char *what, const struct rw_frame *frame, uint32_t error_number);
_Noreturn void job_quit(int code);

void job_attach(const struct talk_options *options);
void job_wait(const char *what); // for the host
// Until the host has said yes. `body_bytes`: of `body`, or the status of its encoder.
void job_open(const char *what, uint32_t ring_bytes, uint32_t protocol, const uint8_t *body, int32_t body_bytes,
              struct rw_frame *answer);

#endif
