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
//       meta l4proto tcp meta mark MARK meta nfproto ipv4 tproxy ip to 127.0.0.1:PORT accept
//       meta l4proto tcp meta mark MARK meta nfproto ipv6 tproxy ip6 to [::1]:PORT accept
//       jump to_own
//       meta l4proto tcp drop
//       meta l4proto udp meta nfproto ipv4 tproxy ip to 127.0.0.1:PORT accept
//       meta l4proto udp meta nfproto ipv6 tproxy ip6 to [::1]:PORT accept
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
// (`out`; a RST is the kernel's, where the agent's socket is gone already).
//
// The table is owned by the socket that made it (Linux 5.12): it goes when the agent does, killed or not, and a second
// agent in the same network cannot make it. What is in it is one batch: all of that is there, or nothing.

#define _GNU_SOURCE
#include "nftables.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "expressions.h"

// <linux/netfilter/nfnetlink.h> and nf_tables.h, which musl-gcc does not find.
enum { BATCH_BEGIN = 16, BATCH_END = 17, SUBSYSTEM = 10, NEW_TABLE = 0, NEW_CHAIN = 3, NEW_RULE = 6 };
enum { HOOK_PREROUTING = 0, HOOK_OUTPUT = 3, PRIORITY_RAW = -300 };
enum { TABLE_NAME = 1, TABLE_FLAGS = 2, TABLE_IS_OWNED = 2 };
enum { CHAIN_TABLE = 1, CHAIN_NAME = 3, CHAIN_HOOK = 4, CHAIN_TYPE = 7, HOOK_NUMBER = 1, HOOK_PRIORITY = 2 };
enum { RULE_TABLE = 1, RULE_CHAIN = 2, RULE_EXPRESSIONS = 4 };

static const char table_name[] = "ringway";
static const char to_own[] = "to_own", from_own[] = "from_own", out[] = "out", held[] = "held";
static int owner = -1; // the table is there for as long as this socket is

struct head { // nfgenmsg
  uint8_t family, version;
  uint16_t resource; // in network order
};

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

static void compare_byte(struct netlink *to, uint32_t how, uint8_t byte) { rule_compare(to, how, &byte, 1); }

static const uint8_t loopback_ipv4[4] = {127, 0, 0, 1}, loopback_ipv6[16] = {[15] = 1};

static void accept_own(const char *chain, uint8_t family, uint32_t offset, const uint8_t *address, uint32_t bytes) {
  struct netlink *to = begin_rule(chain, "a rule");
  rule_meta(to, KEY_FAMILY);
  compare_byte(to, IS, family);
  rule_payload(to, OF_NETWORK, offset, bytes);
  rule_compare(to, IS, address, bytes);
  rule_verdict(to, ACCEPT, NULL);
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
  rule_verdict(to, code, to_chain);
  end_rule();
}

static void make_protocol(const char *chain, uint8_t protocol, int32_t code) {
  struct netlink *to = begin_rule(chain, "a rule");
  rule_meta(to, KEY_PROTOCOL);
  compare_byte(to, IS, protocol);
  rule_verdict(to, code, NULL);
  end_rule();
}

// Of TCP: where these flags are as they should be, or are not.
static void make_flags(const char *chain, uint8_t flags, uint32_t how, uint8_t as) {
  enum { TCP_FLAGS = 13 };
  struct netlink *to = begin_rule(chain, "a rule");
  rule_meta(to, KEY_PROTOCOL);
  compare_byte(to, IS, IPPROTO_TCP);
  rule_payload(to, OF_TRANSPORT, TCP_FLAGS, 1);
  rule_mask(to, &flags, 1);
  compare_byte(to, how, as);
  rule_verdict(to, ACCEPT, NULL);
  end_rule();
}

static void make_out(const struct nftables *wish) {
  make_chain(out, "filter", HOOK_OUTPUT, PRIORITY_RAW);
  struct netlink *to = begin_rule(out, "a rule");
  rule_meta(to, KEY_MARK);
  rule_compare(to, IS, &wish->mark, sizeof wish->mark);
  rule_verdict(to, ACCEPT, NULL);
  end_rule();
  make_verdict(out, JUMP, from_own);
  make_protocol(out, IPPROTO_ICMP, ACCEPT);
  make_protocol(out, IPPROTO_ICMPV6, ACCEPT);
  make_flags(out, RST, IS, RST);
  make_verdict(out, DROP, NULL);
}

// To the listener. Of TCP only what the agent has put back.
static void make_turn(uint8_t protocol, const uint32_t *mark, uint8_t family, const uint8_t *address, uint16_t port) {
  if (port == 0) return;
  struct netlink *to = begin_rule(held, "a rule with tproxy (nft_tproxy)");
  rule_meta(to, KEY_PROTOCOL);
  compare_byte(to, IS, protocol);
  if (mark) {
    rule_meta(to, KEY_MARK);
    rule_compare(to, IS, mark, sizeof *mark);
  }
  rule_meta(to, KEY_FAMILY);
  compare_byte(to, IS, family);
  rule_tproxy(to, family, address, port);
  rule_verdict(to, ACCEPT, NULL);
  end_rule();
}

static void make_held(const struct nftables *wish) {
  make_chain(held, "filter", HOOK_PREROUTING, PRIORITY_RAW);
  make_flags(held, SYN | ACK, IS_NOT, SYN);
  make_turn(IPPROTO_TCP, &wish->mark, FAMILY_IPV4, loopback_ipv4, wish->ports.tcp_ipv4);
  make_turn(IPPROTO_TCP, &wish->mark, FAMILY_IPV6, loopback_ipv6, wish->ports.tcp_ipv6);
  make_verdict(held, JUMP, to_own);
  make_protocol(held, IPPROTO_TCP, DROP);
  make_turn(IPPROTO_UDP, NULL, FAMILY_IPV4, loopback_ipv4, wish->ports.udp_ipv4);
  make_turn(IPPROTO_UDP, NULL, FAMILY_IPV6, loopback_ipv6, wish->ports.udp_ipv6);
  make_protocol(held, IPPROTO_ICMP, ACCEPT);
  make_protocol(held, IPPROTO_ICMPV6, ACCEPT);
  rule_reject(begin_rule(held, "a rule with reject (nft_reject_inet)"));
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
