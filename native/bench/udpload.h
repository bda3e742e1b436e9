// UDP by a load generator, the same for both of them: guest/udp.c has a stream of udp-connect for it, udpplain.c a
// socket. Each of them has the three functions below.
//
// A datagram counts when it has arrived, and all that arrived are divided by the time from the start until the last of
// them came. Nobody paces: a relay that is slower than what comes loses some, and that is told beside.

#ifndef RINGWAY_BENCH_UDPLOAD_H
#define RINGWAY_BENCH_UDPLOAD_H

#include "datagrams.h"
#include "load.h"

enum { PATIENCE_MS = 100, ATTEMPTS = 50 };

// `count` of them, one behind the other, `bytes` each; at most DATAGRAMS_AT_ONCE.
static void send_datagrams(const uint8_t *data, uint32_t bytes, uint32_t count);
// Waits for one or a train of them, of *segment bytes each; they stay until the next call. 0: none came for
// PATIENCE_MS.
static uint32_t receive_datagrams(const uint8_t **data, uint32_t *segment);
// Whoever is in between may forget this socket.
static void end_datagrams(void);

static struct note take_note(const uint8_t *data, uint32_t bytes) {
  struct note note;
  if (bytes < sizeof note) FAIL("a datagram of %u bytes", bytes);
  memcpy(&note, data, sizeof note);
  return note;
}

// What the server says to a question; what else comes until then is of no use. Asked again until it does.
static struct note ask(const struct load *load, struct note question) {
  static uint32_t serial;
  static uint8_t message[DATAGRAM_BYTES_MAX];
  const uint8_t *data;
  uint32_t segment;
  for (uint32_t attempt = 0; attempt < ATTEMPTS; attempt++) {
    question.serial = ++serial;
    memcpy(message, &question, sizeof question);
    send_datagrams(message, load->datagram_bytes, 1);
    for (uint32_t bytes; (bytes = receive_datagrams(&data, &segment)) > 0;) {
      for (uint32_t at = 0; at < bytes; at += segment) {
        const struct note note = take_note(data + at, min_u32(segment, bytes - at));
        if (note.kind == NOTE_TOLD && note.session == question.session && note.serial == serial) return note;
      }
    }
  }
  FAIL("the server does not answer");
}

static void report_datagrams(uint64_t arrived, uint64_t sent, uint64_t start, uint64_t last) {
  if (arrived == 0 || last <= start) FAIL("no datagram arrived");
  const uintmax_t lost = arrived < sent ? sent - arrived : 0;
  printf("{\"count\":%ju,\"seconds\":%.6f,\"lost\":%ju}\n", (uintmax_t)arrived, (double)(last - start) / 1e9, lost);
}

static void udp_out(const struct load *load, uint32_t session) {
  static uint8_t data[DATAGRAMS_AT_ONCE * DATAGRAM_BYTES_MAX];
  const uint32_t bytes = load->datagram_bytes;
  struct note note = {.kind = NOTE_DATA, .session = session};
  const uint64_t start = now_ns(), end = start + load->milliseconds * 1000000u;
  uint64_t sent = 0;
  while (now_ns() < end) {
    for (uint32_t i = 0; i < DATAGRAMS_AT_ONCE; i++) {
      note.number = sent++;
      fill_data(data + i * bytes, bytes, &note, load->verify);
    }
    send_datagrams(data, bytes, DATAGRAMS_AT_ONCE);
  }
  const struct note told = ask(load, (struct note){.kind = NOTE_ASK, .session = session});
  report_datagrams(told.number, sent, start, told.time_ns);
}

static void udp_in(const struct load *load, uint32_t session) {
  const uint8_t *data;
  uint32_t segment, asked = 1;
  uint8_t message[DATAGRAM_BYTES_MAX] = {0};
  const struct note question = {.kind = NOTE_SEND,
                                .session = session,
                                .serial = UINT32_MAX,
                                .bytes = load->datagram_bytes,
                                .number = load->milliseconds};
  memcpy(message, &question, sizeof question);
  const uint64_t start = now_ns();
  uint64_t got = 0, last = start;
  send_datagrams(message, load->datagram_bytes, 1);
  for (;;) {
    const uint32_t bytes = receive_datagrams(&data, &segment);
    if (bytes == 0) {
      // What it said at the end is lost, or the question was.
      if (got > 0) break;
      if (++asked > ATTEMPTS) FAIL("the server does not send");
      send_datagrams(message, load->datagram_bytes, 1);
    }
    const uint64_t now = now_ns();
    for (uint32_t at = 0; at < bytes; at += segment) {
      const uint32_t part = min_u32(segment, bytes - at);
      const struct note note = take_note(data + at, part);
      if (note.kind == NOTE_TOLD && note.serial == UINT32_MAX) {
        report_datagrams(got, note.number, start, last);
        return;
      }
      if (note.kind != NOTE_DATA || note.session != session) continue;
      if (load->verify) check_data(data + at, part, &note);
      got++;
      last = now;
    }
  }
  const struct note told = ask(load, (struct note){.kind = NOTE_ASK, .session = session});
  report_datagrams(got, told.number, start, last);
}

static uint32_t serial_of(const uint8_t *message, uint32_t bytes) {
  uint32_t serial;
  if (bytes != MESSAGE_BYTES) FAIL("a datagram of %u bytes", bytes);
  memcpy(&serial, message + 4, sizeof serial);
  return serial;
}

static void udp_rtt(const struct load *load) {
  uint32_t *times = allocate(load->iterations * sizeof *times);
  uint8_t message[MESSAGE_BYTES];
  const uint8_t *echo;
  uint32_t segment, bytes;
  for (uint32_t i = 0; i < load->iterations; i++) {
    fill_message(message, NOTE_ECHO, i);
    const uint64_t start = now_ns();
    uint32_t attempts = 0;
    do {
      if (attempts++ == ATTEMPTS) FAIL("echo %u does not come", i);
      send_datagrams(message, sizeof message, 1);
      // One that came after it was asked for again is not this one.
      while ((bytes = receive_datagrams(&echo, &segment)) > 0 && serial_of(echo, bytes) != i) continue;
    } while (bytes == 0);
    times[i] = (uint32_t)(now_ns() - start);
    check_message(load, echo, NOTE_ECHO, i);
  }
  report_latency(times, load->iterations);
  free(times);
}

static void udp_load(const struct load *load) {
  if (load->datagram_bytes < MESSAGE_BYTES || load->datagram_bytes > DATAGRAM_BYTES_MAX) FAIL("--datagram-bytes");
  const uint32_t session = (uint32_t)getpid();
  ask(load, (struct note){.kind = NOTE_ASK, .session = session});
  if (mode_is(load, "udp-out")) udp_out(load, session);
  else if (mode_is(load, "udp-in")) udp_in(load, session);
  else if (mode_is(load, "udp-rtt")) udp_rtt(load);
  else FAIL("no such mode: %s", load->mode);
  end_datagrams();
}

#endif
