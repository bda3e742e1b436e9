// What the parts of the program `ask` share. See ask.c.

#ifndef TEST_ASK_H
#define TEST_ASK_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ringway-mount.h"
#include "ringway-posix.h"

enum { WORDS_MAX = 8, BODY_BYTES = 64 * 1024 };

// The line that is carried out, in words; those that are not there are empty.
extern const char *words[WORDS_MAX];
extern struct rw_stream *stream;
extern uint8_t body[BODY_BYTES];

static inline uint32_t length_of(const char *word) { return (uint32_t)strlen(word); }
static inline uint32_t number(int i) { return (uint32_t)strtoul(words[i], NULL, 0); }
static inline uint64_t number64(int i) { return strtoull(words[i], NULL, 0); }
static inline int is(const char *verb) { return strcmp(words[0], verb) == 0; }

_Noreturn void fail(const char *what, int32_t status);
// The same where it is one.
int32_t check(const char *what, int32_t status);
void wait_a_while(void);
// Sends a request whose fields lie in `body`, and tells its id: "asked ID".
void ask(uint32_t type, int32_t fields_bytes);
void ask_with(uint32_t type, int32_t fields_bytes, const char *data);
void asked(int32_t id);
// As they are, but for bytes that would not be seen, or end a word: \xNN.
void print_bytes(struct rw_bytes bytes);

// Of a mount: 0 for another verb, or another frame.
int ask_mount(void);
int print_mount(const struct rw_frame *frame);
void print_attributes(const struct rw_attributes *of);

#endif
