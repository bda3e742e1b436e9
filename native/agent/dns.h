// Messages of DNS: questions read, answers written. See dns.c.

#ifndef RINGWAY_AGENT_DNS_H
#define RINGWAY_AGENT_DNS_H

#include "limits.h"

enum { DNS_PORT = 53 };
enum dns_type { DNS_A = 1, DNS_PTR = 12, DNS_AAAA = 28 };
enum dns_code { // of an answer; BAD_VERSION is one of EDNS
  DNS_OK = 0,
  DNS_MALFORMED = 1,
  DNS_FAILED = 2,
  DNS_NO_NAME = 3,
  DNS_NOT_KNOWN = 4,
  DNS_REFUSED = 5,
  DNS_BAD_VERSION = 16,
};
enum dns_why { DNS_NO_REASON = 0, DNS_BLOCKED = 15, DNS_NETWORK = 23 }; // Extended DNS Errors (RFC 8914)

enum { DNS_QUESTION_BYTES = 255 + 4 }; // a name on the wire, its type and class

struct dns_question {
  uint16_t id, flags, type, class;
  uint16_t room;                     // for an answer by UDP
  uint8_t has_edns;
  uint32_t wire_bytes;
  uint8_t wire[DNS_QUESTION_BYTES];  // as it was asked, for the answer
  uint32_t name_bytes;
  char name[RW_HOST_MAX_BYTES];      // in small letters, without the last dot
};

// DNS_OK; or the code of the answer that it gets at once; or -1: it is no question at all, and gets none.
int dns_read(const uint8_t *bytes, uint32_t count, struct dns_question *question);
// The address that a name under in-addr.arpa or ip6.arpa stands for; 0: it is none.
int dns_pointer(const struct dns_question *question, struct rw_inet *address);

int dns_is_localhost(const struct dns_question *question); // or a name under it

struct dns_answer {
  uint8_t bytes[DNS_BYTES_MAX];
  uint32_t length, room; // of the two, what the asker takes
  uint32_t records;
};

void dns_begin(struct dns_answer *answer, const struct dns_question *question, enum dns_code code, int by_tcp);
void dns_add_address(struct dns_answer *answer, const struct rw_inet *address, uint32_t ttl_seconds);
void dns_add_name(struct dns_answer *answer, struct rw_text name, uint32_t ttl_seconds);
// EDNS, where the asker has it, with why there is no other answer.
void dns_end(struct dns_answer *answer, const struct dns_question *question, enum dns_code code, enum dns_why why,
             struct rw_text reason);

#endif
