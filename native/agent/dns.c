// Messages of DNS (RFC 1035), with EDNS (RFC 6891) and Extended DNS Errors (RFC 8914).
//
//   header, 12 bytes: id, flags, and how many of each follow
//   a question: name, type, class        records: name, type, class, time to live, length, bytes
//
// A question may come from any program: nothing is read beyond what is there, no name is longer than 255 bytes, and a
// loop is over after as many steps as there are bytes. In a question a name stands as it is, without pointers; those of
// further records are passed over. An answer's records point at the name of the question.

#include "dns.h"

#include <arpa/inet.h>
#include <string.h>

enum { HEADER = 12, IS_ANSWER = 0x8000, OPERATION = 0x7800, WANTS_RECURSION = 0x0100, HAS_RECURSION = 0x0080 };
enum { TRUNCATED = 0x0200, CLASS_INTERNET = 1, TYPE_OPTIONS = 41, OPTION_ERROR = 15, POINTER = 0xc0, LABEL_MAX = 63 };
enum { LEAST_ROOM = 512, RECORD = 10, EDNS = 11, TEXT_MAX = 255 };

static uint32_t half_at(const uint8_t *at) { return (uint32_t)at[0] << 8 | at[1]; }

// ── Questions ───────────────────────────────────────────────────────────────────────────────────────────────────────

struct reader {
  const uint8_t *bytes;
  uint32_t at, count;
};

static int is_there(const struct reader *from, uint32_t bytes) { return from->count - from->at >= bytes; }

// A label's letters, as a host's name has them. 0: no name of a host has this one.
static int put_letters(struct dns_question *question, const uint8_t *label, uint32_t bytes) {
  if (question->name_bytes + (question->name_bytes > 0) + bytes > sizeof question->name) return 0;
  if (question->name_bytes > 0) question->name[question->name_bytes++] = '.';
  for (uint32_t i = 0; i < bytes; i++) {
    char letter = (char)label[i];
    if (letter >= 'A' && letter <= 'Z') letter = (char)(letter + 'a' - 'A');
    int is_letter = letter >= 'a' && letter <= 'z', is_digit = letter >= '0' && letter <= '9';
    if (!is_letter && !is_digit && letter != '-' && letter != '_') return 0;
    question->name[question->name_bytes++] = letter;
  }
  return 1;
}

// The question's name. 0: malformed. *is_host: all of it may be a host's.
static int read_name(struct reader *from, struct dns_question *question, int *is_host) {
  uint32_t begin = from->at;
  *is_host = 1;
  for (;;) {
    if (!is_there(from, 1)) return 0;
    uint32_t bytes = from->bytes[from->at++];
    if (bytes == 0) return from->at - begin <= 255;
    if (bytes > LABEL_MAX || !is_there(from, bytes)) return 0;
    if (*is_host) *is_host = put_letters(question, from->bytes + from->at, bytes);
    from->at += bytes;
  }
}

static int skip_name(struct reader *from) {
  while (is_there(from, 1)) {
    uint32_t bytes = from->bytes[from->at++];
    int is_pointer = (bytes & POINTER) == POINTER;
    if (bytes == 0) return 1;
    if (is_pointer) bytes = 1;
    if (bytes > LABEL_MAX || !is_there(from, bytes)) return 0;
    from->at += bytes;
    if (is_pointer) return 1;
  }
  return 0;
}

// What stands behind the question: EDNS is looked for.
static int read_more(struct reader *from, uint32_t records, struct dns_question *question) {
  for (; records > 0; records--) {
    uint32_t begin = from->at;
    if (!skip_name(from) || !is_there(from, RECORD)) return DNS_MALFORMED;
    const uint8_t *record = from->bytes + from->at;
    from->at += RECORD;
    uint32_t bytes = half_at(record + 8);
    if (!is_there(from, bytes)) return DNS_MALFORMED;
    from->at += bytes;
    if (half_at(record) != TYPE_OPTIONS) continue;
    if (from->bytes[begin] != 0 || question->has_edns) return DNS_MALFORMED;
    question->has_edns = 1;
    uint32_t room = half_at(record + 2);
    question->room = (uint16_t)(room < LEAST_ROOM ? LEAST_ROOM : room);
    if (record[5] != 0) return DNS_BAD_VERSION;
  }
  return DNS_OK;
}

int dns_read(const uint8_t *bytes, uint32_t count, struct dns_question *question) {
  struct reader from = {.bytes = bytes, .at = HEADER, .count = count};
  int is_host;
  memset(question, 0, sizeof *question);
  if (count < HEADER || (half_at(bytes + 2) & IS_ANSWER)) return -1;
  question->id = (uint16_t)half_at(bytes);
  question->flags = (uint16_t)half_at(bytes + 2);
  question->room = LEAST_ROOM;
  if (question->flags & OPERATION) return DNS_NOT_KNOWN;
  if (half_at(bytes + 4) != 1 || half_at(bytes + 6) != 0 || half_at(bytes + 8) != 0) return DNS_MALFORMED;
  if (!read_name(&from, question, &is_host) || !is_there(&from, 4)) return DNS_MALFORMED;
  question->type = (uint16_t)half_at(bytes + from.at);
  question->class = (uint16_t)half_at(bytes + from.at + 2);
  from.at += 4;
  question->wire_bytes = from.at - HEADER;
  memcpy(question->wire, bytes + HEADER, question->wire_bytes);
  int code = read_more(&from, half_at(bytes + 10), question);
  if (code != DNS_OK) return code;
  if (question->class != CLASS_INTERNET) return DNS_REFUSED;
  return is_host && question->name_bytes > 0 ? DNS_OK : DNS_NO_NAME;
}

// ── Addresses as names ──────────────────────────────────────────────────────────────────────────────────────────────

static int ends_with(const struct dns_question *question, const char *end, uint32_t *before) {
  uint32_t bytes = (uint32_t)strlen(end);
  if (question->name_bytes <= bytes) return 0;
  *before = question->name_bytes - bytes;
  return memcmp(question->name + *before, end, bytes) == 0;
}

// "4.3.2.1" is 1.2.3.4, which inet_pton() reads; its bytes are the other way round.
static int read_ipv4(const char *name, uint32_t bytes, struct rw_inet *address) {
  char text[16];
  uint8_t turned[4];
  if (bytes >= sizeof text) return 0;
  memcpy(text, name, bytes);
  text[bytes] = 0;
  if (inet_pton(AF_INET, text, turned) != 1) return 0;
  address->family = 4;
  for (int i = 0; i < 4; i++) address->address[i] = turned[3 - i];
  return 1;
}

// 32 digits with dots between them, the last one first.
static int read_ipv6(const char *name, uint32_t bytes, struct rw_inet *address) {
  if (bytes != 63) return 0;
  address->family = 6;
  for (uint32_t i = 0; i < 32; i++) {
    char digit = name[2 * i];
    if (i > 0 && name[2 * i - 1] != '.') return 0;
    int value = digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
    if (value < 0) return 0;
    address->address[15 - i / 2] |= (uint8_t)(i % 2 == 0 ? value : value << 4);
  }
  return 1;
}

int dns_pointer(const struct dns_question *question, struct rw_inet *address) {
  uint32_t before;
  memset(address, 0, sizeof *address);
  if (ends_with(question, ".in-addr.arpa", &before)) return read_ipv4(question->name, before, address);
  if (ends_with(question, ".ip6.arpa", &before)) return read_ipv6(question->name, before, address);
  return 0;
}

int dns_is_localhost(const struct dns_question *question) {
  static const char name[] = "localhost";
  uint32_t bytes = sizeof name - 1;
  if (question->name_bytes < bytes || memcmp(question->name + question->name_bytes - bytes, name, bytes) != 0) return 0;
  return question->name_bytes == bytes || question->name[question->name_bytes - bytes - 1] == '.';
}

// ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

static void put_half(struct dns_answer *answer, uint32_t value) {
  answer->bytes[answer->length++] = (uint8_t)(value >> 8);
  answer->bytes[answer->length++] = (uint8_t)value;
}

static void put_word(struct dns_answer *answer, uint32_t value) {
  put_half(answer, value >> 16);
  put_half(answer, value & 0xffff);
}

static void put_bytes(struct dns_answer *answer, const void *bytes, uint32_t count) {
  if (count > 0) memcpy(answer->bytes + answer->length, bytes, count);
  answer->length += count;
}

void dns_begin(struct dns_answer *answer, const struct dns_question *question, enum dns_code code, int by_tcp) {
  uint32_t room = by_tcp ? DNS_BYTES_MAX : question->room;
  uint32_t asked = question->flags & (OPERATION | WANTS_RECURSION);
  answer->length = answer->records = 0;
  answer->room = room < DNS_BYTES_MAX ? room : DNS_BYTES_MAX;
  put_half(answer, question->id);
  put_half(answer, IS_ANSWER | HAS_RECURSION | asked | ((uint32_t)code & 15));
  put_half(answer, question->wire_bytes > 0);
  put_half(answer, 0);
  put_half(answer, 0);
  put_half(answer, 0);
  put_bytes(answer, question->wire, question->wire_bytes);
}

// What does not fit beside EDNS is left out, and the asker comes again by TCP. 0: so it is.
static int begin_record(struct dns_answer *answer, uint32_t type, uint32_t ttl_seconds, uint32_t bytes) {
  if (answer->length + 2 + RECORD + bytes + EDNS > answer->room) {
    answer->bytes[2] |= TRUNCATED >> 8;
    return 0;
  }
  put_half(answer, POINTER << 8 | HEADER);
  put_half(answer, type);
  put_half(answer, CLASS_INTERNET);
  put_word(answer, ttl_seconds);
  put_half(answer, bytes);
  answer->records++;
  answer->bytes[6] = (uint8_t)(answer->records >> 8);
  answer->bytes[7] = (uint8_t)answer->records;
  return 1;
}

void dns_add_address(struct dns_answer *answer, const struct rw_inet *address, uint32_t ttl_seconds) {
  uint32_t bytes = address->family == 6 ? 16 : 4;
  if (begin_record(answer, address->family == 6 ? DNS_AAAA : DNS_A, ttl_seconds, bytes))
    put_bytes(answer, address->address, bytes);
}

void dns_add_name(struct dns_answer *answer, struct rw_text name, uint32_t ttl_seconds) {
  uint8_t wire[RW_HOST_MAX_BYTES + 2];
  uint32_t length = 0;
  if (name.length == 0 || name.length > RW_HOST_MAX_BYTES) return;
  for (uint32_t at = 0; at < name.length;) {
    const uint8_t *dot = memchr(name.bytes + at, '.', name.length - at);
    uint32_t bytes = dot ? (uint32_t)(dot - name.bytes) - at : name.length - at;
    if (bytes == 0 || bytes > LABEL_MAX) return;
    wire[length++] = (uint8_t)bytes;
    memcpy(wire + length, name.bytes + at, bytes);
    length += bytes;
    at += bytes + 1;
  }
  wire[length++] = 0;
  if (begin_record(answer, DNS_PTR, ttl_seconds, length)) put_bytes(answer, wire, length);
}

void dns_end(struct dns_answer *answer, const struct dns_question *question, enum dns_code code, enum dns_why why,
             struct rw_text reason) {
  if (!question->has_edns || answer->length + EDNS > answer->room) return;
  uint32_t text = reason.length < TEXT_MAX ? reason.length : TEXT_MAX;
  uint32_t bytes = why == DNS_NO_REASON || answer->length + EDNS + 6 + text > answer->room ? 0 : 6 + text;
  answer->bytes[answer->length++] = 0; // the root's
  put_half(answer, TYPE_OPTIONS);
  put_half(answer, DNS_BYTES_MAX);
  put_word(answer, (uint32_t)code >> 4 << 24);
  put_half(answer, bytes);
  if (bytes > 0) {
    put_half(answer, OPTION_ERROR);
    put_half(answer, 2 + text);
    put_half(answer, why);
    put_bytes(answer, reason.bytes, text);
  }
  answer->bytes[11] = 1;
}
