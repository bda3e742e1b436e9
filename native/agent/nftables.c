// The table of nf_tables. As nft(8) would have it:
//
//   table inet ringway {
//     flags owner
//     chain to_own {                                            # what is for the guest itself
//       ip daddr 127.0.0.0/8 accept
//       ip daddr OWN accept
//       ip6 daddr ::1 accept
//       ip6 daddr OWN accept
//     }
//     chain from_own { the same, of saddr }
//     chain out { type filter hook output priority -300         # what says that it comes from elsewhere
//       meta mark MARK accept
//       jump from_own
//       meta l4proto icmp accept
//       meta l4proto ipv6-icmp accept
//       meta l4proto tcp tcp flags & rst == rst accept
//       drop
//     }
//     chain held { type filter hook prerouting priority -300
//       meta l4proto tcp tcp flags & (syn | ack) != syn accept
//       meta mark MARK meta nfproto ipv4 tproxy ip to 127.0.0.1:PORT accept
//       meta mark MARK meta nfproto ipv6 tproxy ip6 to [::1]:PORT accept
//       jump to_own
//       meta l4proto tcp drop
//       meta l4proto icmp accept
//       meta l4proto ipv6-icmp accept
//       reject with icmpx port-unreachable
//     }
//   }
//
// A program's SYN is seen on lo by packet.c, and goes no further. Put back with the mark it comes to the agent's
// listener as it is: the socket there has the address that the program asked for as its own. There is no NAT, which
// would have to tell connections from one port to two servers apart, and nothing that keeps track of connections.
//
// Since every address is local any program may bind() to one, and pose as a server to the guest's other programs
// (`out`; a RST is the kernel's, where the agent's socket is gone already). UDP is not carried, so nobody is there
// (`held`).
//
// The table is owned by the socket that made it (Linux 5.12): it goes when the agent does, killed or not, and a second
// agent in the same network cannot make it. What is in it is one batch: all of that is there, or nothing.

#define _GNU_SOURCE
#include "nftables.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "netlink.h"

// <linux/netfilter/nfnetlink.h> and nf_tables.h, which musl-gcc does not find.
enum { BATCH_BEGIN = 16, BATCH_END = 17, SUBSYSTEM = 10, NEW_TABLE = 0, NEW_CHAIN = 3, NEW_RULE = 6 };
enum { FAMILY_INET = 1, FAMILY_IPV4 = 2, FAMILY_IPV6 = 10 };
enum { HOOK_PREROUTING = 0, HOOK_OUTPUT = 3, PRIORITY_RAW = -300 };
enum { TABLE_NAME = 1, TABLE_FLAGS = 2, TABLE_IS_OWNED = 2 };
enum { CHAIN_TABLE = 1, CHAIN_NAME = 3, CHAIN_HOOK = 4, CHAIN_TYPE = 7, HOOK_NUMBER = 1, HOOK_PRIORITY = 2 };
enum { RULE_TABLE = 1, RULE_CHAIN = 2, RULE_EXPRESSIONS = 4, LIST_ELEMENT = 1 };
enum { EXPRESSION_NAME = 1, EXPRESSION_DATA = 2 };
enum { DATA_VALUE = 1, DATA_VERDICT = 2, VERDICT_CODE = 1, VERDICT_CHAIN = 2 };
enum { VERDICT = 0, REGISTER = 1, REGISTER_2 = 2 }; // that of verdicts, and those that are used here
enum { META_REGISTER = 1, META_KEY = 2, KEY_MARK = 3, KEY_FAMILY = 15, KEY_PROTOCOL = 16 };
enum { PAYLOAD_REGISTER = 1, PAYLOAD_BASE = 2, PAYLOAD_OFFSET = 3, PAYLOAD_BYTES = 4 };
enum { OF_NETWORK = 1, OF_TRANSPORT = 2 };
enum { BITS_FROM = 1, BITS_TO = 2, BITS_BYTES = 3, BITS_MASK = 4, BITS_XOR = 5 };
enum { COMPARE_REGISTER = 1, COMPARE_HOW = 2, COMPARE_DATA = 3, IS = 0, IS_NOT = 1 };
enum { IMMEDIATE_REGISTER = 1, IMMEDIATE_DATA = 2, TPROXY_FAMILY = 1, TPROXY_ADDRESS = 2, TPROXY_PORT = 3 };
enum { REJECT_TYPE = 1, REJECT_CODE = 2, OF_BOTH_FAMILIES = 2, PORT_UNREACHABLE = 1 };
enum { DROP = 0, ACCEPT = 1, JUMP = -3 };

static const char table_name[] = "ringway";
static const char to_own[] = "to_own", from_own[] = "from_own", out[] = "out", held[] = "held";
static int owner = -1; // the table is there for as long as this socket is

struct head { // nfgenmsg
  uint8_t family, version;
  uint16_t resource; // in network order
};

// ── Expressions: what a rule is made of ─────────────────────────────────────────────────────────────────────────────

struct open {
  uint32_t element, data;
};

static struct open expression(struct netlink *to, const char *name) {
  struct open open = {.element = netlink_nest(to, LIST_ELEMENT)};
  netlink_put_text(to, EXPRESSION_NAME, name);
  open.data = netlink_nest(to, EXPRESSION_DATA);
  return open;
}

static void done(struct netlink *to, struct open open) {
  netlink_nested(to, open.data);
  netlink_nested(to, open.element);
}

static void put_value(struct netlink *to, uint32_t type, const void *bytes, uint32_t count) {
  uint32_t nest = netlink_nest(to, type);
  netlink_put(to, DATA_VALUE, bytes, count);
  netlink_nested(to, nest);
}

static void load_meta(struct netlink *to, uint32_t key) {
  struct open open = expression(to, "meta");
  netlink_put_be32(to, META_KEY, key);
  netlink_put_be32(to, META_REGISTER, REGISTER);
  done(to, open);
}

static void load_payload(struct netlink *to, uint32_t base, uint32_t offset, uint32_t bytes) {
  struct open open = expression(to, "payload");
  netlink_put_be32(to, PAYLOAD_REGISTER, REGISTER);
  netlink_put_be32(to, PAYLOAD_BASE, base);
  netlink_put_be32(to, PAYLOAD_OFFSET, offset);
  netlink_put_be32(to, PAYLOAD_BYTES, bytes);
  done(to, open);
}

static void mask(struct netlink *to, const void *bits, uint32_t count) {
  static const uint8_t zeros[16];
  struct open open = expression(to, "bitwise");
  netlink_put_be32(to, BITS_FROM, REGISTER);
  netlink_put_be32(to, BITS_TO, REGISTER);
  netlink_put_be32(to, BITS_BYTES, count);
  put_value(to, BITS_MASK, bits, count);
  put_value(to, BITS_XOR, zeros, count);
  done(to, open);
}

static void compare(struct netlink *to, uint32_t how, const void *bytes, uint32_t count) {
  struct open open = expression(to, "cmp");
  netlink_put_be32(to, COMPARE_REGISTER, REGISTER);
  netlink_put_be32(to, COMPARE_HOW, how);
  put_value(to, COMPARE_DATA, bytes, count);
  done(to, open);
}

static void compare_byte(struct netlink *to, uint32_t how, uint8_t byte) { compare(to, how, &byte, 1); }

static void verdict(struct netlink *to, int32_t code, const char *chain) {
  struct open open = expression(to, "immediate");
  netlink_put_be32(to, IMMEDIATE_REGISTER, VERDICT);
  uint32_t data = netlink_nest(to, IMMEDIATE_DATA), inner = netlink_nest(to, DATA_VERDICT);
  netlink_put_be32(to, VERDICT_CODE, (uint32_t)code);
  if (chain) netlink_put_text(to, VERDICT_CHAIN, chain);
  netlink_nested(to, inner);
  netlink_nested(to, data);
  done(to, open);
}

static void load(struct netlink *to, uint32_t into, const void *bytes, uint32_t count) {
  struct open open = expression(to, "immediate");
  netlink_put_be32(to, IMMEDIATE_REGISTER, into);
  put_value(to, IMMEDIATE_DATA, bytes, count);
  done(to, open);
}

static void to_listener(struct netlink *to, uint8_t family, const uint8_t *address, uint16_t port) {
  uint16_t wire = htons(port);
  load(to, REGISTER, &wire, sizeof wire);
  load(to, REGISTER_2, address, family == FAMILY_IPV6 ? 16 : 4);
  struct open open = expression(to, "tproxy");
  netlink_put_be32(to, TPROXY_FAMILY, family);
  netlink_put_be32(to, TPROXY_ADDRESS, REGISTER_2);
  netlink_put_be32(to, TPROXY_PORT, REGISTER);
  done(to, open);
}

static void reject(struct netlink *to) {
  static const uint8_t code = PORT_UNREACHABLE;
  struct open open = expression(to, "reject");
  netlink_put_be32(to, REJECT_TYPE, OF_BOTH_FAMILIES);
  netlink_put(to, REJECT_CODE, &code, sizeof code);
  done(to, open);
}

// ── Table, chains, rules ────────────────────────────────────────────────────────────────────────────────────────────

enum { PIECES_MAX = 40, SYN = 0x02, RST = 0x04, ACK = 0x10 };

static struct { // a batch
  struct netlink requests;
  const char *pieces[PIECES_MAX]; // what each request makes, for people
  uint32_t rule;                  // the nest of the expressions of the rule that is being made
} making;

static void make(uint32_t type, uint32_t flags, const char *piece) {
  struct head head = {.family = FAMILY_INET};
  uint32_t kind = SUBSYSTEM << 8 | type;
  uint32_t request = netlink_request(&making.requests, kind, NETLINK_CREATE | flags, &head, sizeof head);
  if (request < PIECES_MAX) making.pieces[request] = piece;
}

static void make_table(void) {
  make(NEW_TABLE, NETLINK_EXCL, "a table of its own (Linux 5.12)");
  netlink_put_text(&making.requests, TABLE_NAME, table_name);
  netlink_put_be32(&making.requests, TABLE_FLAGS, TABLE_IS_OWNED);
}

// `type` NULL: one that others jump to.
static void make_chain(const char *name, const char *type, uint32_t hook, int32_t priority) {
  struct netlink *to = &making.requests;
  make(NEW_CHAIN, 0, "a chain");
  netlink_put_text(to, CHAIN_TABLE, table_name);
  netlink_put_text(to, CHAIN_NAME, name);
  if (!type) return;
  uint32_t nest = netlink_nest(to, CHAIN_HOOK);
  netlink_put_be32(to, HOOK_NUMBER, hook);
  netlink_put_be32(to, HOOK_PRIORITY, (uint32_t)priority);
  netlink_nested(to, nest);
  netlink_put_text(to, CHAIN_TYPE, type);
}

static struct netlink *begin_rule(const char *chain, const char *piece) {
  struct netlink *to = &making.requests;
  make(NEW_RULE, NETLINK_APPEND, piece);
  netlink_put_text(to, RULE_TABLE, table_name);
  netlink_put_text(to, RULE_CHAIN, chain);
  making.rule = netlink_nest(to, RULE_EXPRESSIONS);
  return to;
}

static void end_rule(void) { netlink_nested(&making.requests, making.rule); }

static const uint8_t loopback_ipv4[4] = {127, 0, 0, 1}, loopback_ipv6[16] = {[15] = 1};

static void accept_own(const char *chain, uint8_t family, uint32_t offset, const uint8_t *address, uint32_t bytes) {
  struct netlink *to = begin_rule(chain, "a rule");
  load_meta(to, KEY_FAMILY);
  compare_byte(to, IS, family);
  load_payload(to, OF_NETWORK, offset, bytes);
  compare(to, IS, address, bytes);
  verdict(to, ACCEPT, NULL);
  end_rule();
}

// Where the address stands in the headers of IPv4 and IPv6.
static void make_own(const char *chain, const struct nftables *wish, uint32_t in_ipv4, uint32_t in_ipv6) {
  make_chain(chain, NULL, 0, 0);
  accept_own(chain, FAMILY_IPV4, in_ipv4, loopback_ipv4, 1);
  accept_own(chain, FAMILY_IPV4, in_ipv4, wish->own_ipv4, 4);
  accept_own(chain, FAMILY_IPV6, in_ipv6, loopback_ipv6, 16);
  accept_own(chain, FAMILY_IPV6, in_ipv6, wish->own_ipv6, 16);
}

static void make_verdict(const char *chain, int32_t code, const char *to_chain) {
  struct netlink *to = begin_rule(chain, "a rule");
  verdict(to, code, to_chain);
  end_rule();
}

static void make_protocol(const char *chain, uint8_t protocol, int32_t code) {
  struct netlink *to = begin_rule(chain, "a rule");
  load_meta(to, KEY_PROTOCOL);
  compare_byte(to, IS, protocol);
  verdict(to, code, NULL);
  end_rule();
}

// Of TCP: where these flags are as they should be, or are not.
static void make_flags(const char *chain, uint8_t flags, uint32_t how, uint8_t as) {
  enum { TCP_FLAGS = 13 };
  struct netlink *to = begin_rule(chain, "a rule");
  load_meta(to, KEY_PROTOCOL);
  compare_byte(to, IS, IPPROTO_TCP);
  load_payload(to, OF_TRANSPORT, TCP_FLAGS, 1);
  mask(to, &flags, 1);
  compare_byte(to, how, as);
  verdict(to, ACCEPT, NULL);
  end_rule();
}

static void make_out(const struct nftables *wish) {
  make_chain(out, "filter", HOOK_OUTPUT, PRIORITY_RAW);
  struct netlink *to = begin_rule(out, "a rule");
  load_meta(to, KEY_MARK);
  compare(to, IS, &wish->mark, sizeof wish->mark);
  verdict(to, ACCEPT, NULL);
  end_rule();
  make_verdict(out, JUMP, from_own);
  make_protocol(out, IPPROTO_ICMP, ACCEPT);
  make_protocol(out, IPPROTO_ICMPV6, ACCEPT);
  make_flags(out, RST, IS, RST);
  make_verdict(out, DROP, NULL);
}

static void make_back(uint32_t mark, uint8_t family, const uint8_t *address, uint16_t port) {
  struct netlink *to = begin_rule(held, "a rule with tproxy (nft_tproxy)");
  load_meta(to, KEY_MARK);
  compare(to, IS, &mark, sizeof mark);
  load_meta(to, KEY_FAMILY);
  compare_byte(to, IS, family);
  to_listener(to, family, address, port);
  verdict(to, ACCEPT, NULL);
  end_rule();
}

static void make_held(const struct nftables *wish) {
  make_chain(held, "filter", HOOK_PREROUTING, PRIORITY_RAW);
  make_flags(held, SYN | ACK, IS_NOT, SYN);
  make_back(wish->mark, FAMILY_IPV4, loopback_ipv4, wish->port_ipv4);
  if (wish->port_ipv6 != 0) make_back(wish->mark, FAMILY_IPV6, loopback_ipv6, wish->port_ipv6);
  make_verdict(held, JUMP, to_own);
  make_protocol(held, IPPROTO_TCP, DROP);
  make_protocol(held, IPPROTO_ICMP, ACCEPT);
  make_protocol(held, IPPROTO_ICMPV6, ACCEPT);
  reject(begin_rule(held, "a rule with reject (nft_reject_inet)"));
  end_rule();
}

// ── Batches ─────────────────────────────────────────────────────────────────────────────────────────────────────────

static void begin_batch(void) {
  struct head head = {.resource = htons(SUBSYSTEM)};
  memset(&making, 0, sizeof making);
  netlink_bracket(&making.requests, BATCH_BEGIN, &head, sizeof head);
}

static int end_batch(const char **what) {
  struct head head = {.resource = htons(SUBSYSTEM)};
  uint32_t which;
  netlink_bracket(&making.requests, BATCH_END, &head, sizeof head);
  int error = netlink_ask(owner, &making.requests, &which);
  if (error == 0) return 0;
  *what = which < PIECES_MAX && making.pieces[which] ? making.pieces[which] : "nf_tables (CAP_NET_ADMIN)";
  return error;
}

int nftables_claim(const char **what) {
  *what = "nf_tables (nfnetlink)";
  owner = netlink_open(NETLINK_OF_FILTERS);
  if (owner < 0) return -owner;
  begin_batch();
  make_table();
  int error = end_batch(what);
  if (error) nftables_remove();
  return error == EPERM && *what == making.pieces[0] ? EEXIST : error; // it has another owner
}

int nftables_make(const struct nftables *wish, const char **what) {
  enum { FROM_IPV4 = 12, TO_IPV4 = 16, FROM_IPV6 = 8, TO_IPV6 = 24 };
  begin_batch();
  make_own(to_own, wish, TO_IPV4, TO_IPV6);
  make_own(from_own, wish, FROM_IPV4, FROM_IPV6);
  make_out(wish);
  make_held(wish);
  return end_batch(what);
}

void nftables_remove(void) {
  if (owner >= 0) close(owner);
  owner = -1;
}
