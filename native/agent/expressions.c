// What rules of nf_tables are made of: each call adds one expression to the rule that is being put together. They are
// done in their order, on registers, and one that does not hold ends the rule.

#include "expressions.h"

#include <netinet/in.h>

// <linux/netfilter/nf_tables.h>, which musl-gcc does not find.
enum { LIST_ELEMENT = 1, EXPRESSION_NAME = 1, EXPRESSION_DATA = 2 };
enum { DATA_VALUE = 1, DATA_VERDICT = 2, VERDICT_CODE = 1, VERDICT_CHAIN = 2 };
enum { VERDICT = 0, REGISTER = 1, REGISTER_2 = 2 }; // that of verdicts, and those that are used here
enum { META_REGISTER = 1, META_KEY = 2 };
enum { PAYLOAD_REGISTER = 1, PAYLOAD_BASE = 2, PAYLOAD_OFFSET = 3, PAYLOAD_BYTES = 4 };
enum { BITS_FROM = 1, BITS_TO = 2, BITS_BYTES = 3, BITS_MASK = 4, BITS_XOR = 5 };
enum { COMPARE_REGISTER = 1, COMPARE_HOW = 2, COMPARE_DATA = 3 };
enum { IMMEDIATE_REGISTER = 1, IMMEDIATE_DATA = 2, TPROXY_FAMILY = 1, TPROXY_ADDRESS = 2, TPROXY_PORT = 3 };
enum { REJECT_TYPE = 1, REJECT_CODE = 2, OF_BOTH_FAMILIES = 2, PORT_UNREACHABLE = 1 };

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

void rule_meta(struct netlink *to, uint32_t key) {
  struct open open = expression(to, "meta");
  netlink_put_be32(to, META_KEY, key);
  netlink_put_be32(to, META_REGISTER, REGISTER);
  done(to, open);
}

void rule_payload(struct netlink *to, uint32_t base, uint32_t offset, uint32_t bytes) {
  struct open open = expression(to, "payload");
  netlink_put_be32(to, PAYLOAD_REGISTER, REGISTER);
  netlink_put_be32(to, PAYLOAD_BASE, base);
  netlink_put_be32(to, PAYLOAD_OFFSET, offset);
  netlink_put_be32(to, PAYLOAD_BYTES, bytes);
  done(to, open);
}

void rule_mask(struct netlink *to, const void *bits, uint32_t count) {
  static const uint8_t zeros[16];
  struct open open = expression(to, "bitwise");
  netlink_put_be32(to, BITS_FROM, REGISTER);
  netlink_put_be32(to, BITS_TO, REGISTER);
  netlink_put_be32(to, BITS_BYTES, count);
  put_value(to, BITS_MASK, bits, count);
  put_value(to, BITS_XOR, zeros, count);
  done(to, open);
}

void rule_compare(struct netlink *to, uint32_t how, const void *bytes, uint32_t count) {
  struct open open = expression(to, "cmp");
  netlink_put_be32(to, COMPARE_REGISTER, REGISTER);
  netlink_put_be32(to, COMPARE_HOW, how);
  put_value(to, COMPARE_DATA, bytes, count);
  done(to, open);
}

void rule_verdict(struct netlink *to, int32_t code, const char *chain) {
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

void rule_tproxy(struct netlink *to, uint8_t family, const uint8_t *address, uint16_t port) {
  uint16_t wire = htons(port);
  load(to, REGISTER, &wire, sizeof wire);
  load(to, REGISTER_2, address, family == FAMILY_IPV6 ? 16 : 4);
  struct open open = expression(to, "tproxy");
  netlink_put_be32(to, TPROXY_FAMILY, family);
  netlink_put_be32(to, TPROXY_ADDRESS, REGISTER_2);
  netlink_put_be32(to, TPROXY_PORT, REGISTER);
  done(to, open);
}

void rule_reject(struct netlink *to) {
  static const uint8_t code = PORT_UNREACHABLE;
  struct open open = expression(to, "reject");
  netlink_put_be32(to, REJECT_TYPE, OF_BOTH_FAMILIES);
  netlink_put(to, REJECT_CODE, &code, sizeof code);
  done(to, open);
}
