// Packets, byte by byte: SYNs are read where they have been sent on lo, and put back there, or answered in the name of
// those that they were for.
//
//   a program's SYN ─▶ lo ─▶ packet_next()            (nftables.c drops it behind lo)
//   packet_put_back() ─▶ lo ─▶ the agent's listener   RST, ICMP ─▶ lo ─▶ the program's socket
//
// What is read was written by a program: a filter in the kernel and looks_whole() let through nothing but a header of
// IPv4 without options, or of IPv6 without extensions, and one of TCP that fits what is there. Data of a SYN (Fast
// Open) is left out when it is put back: the program's kernel sends it again. Checksums are made anew: on lo there are
// none, it being memory.

#define _GNU_SOURCE
#include "packet.h"

#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inet.h"

enum { IPV4_BYTES = 20, IPV6_BYTES = 40, TCP_BYTES = 20, UDP_BYTES = 8, ICMP_BYTES = 8 };
enum { TIME_TO_LIVE = 64 };
enum { IPV4_LENGTH = 2, IPV4_FRAGMENT = 6, IPV4_PROTOCOL = 9, IPV4_FROM = 12, IPV4_TO = 16 };
enum { IPV6_LENGTH = 4, IPV6_PROTOCOL = 6, IPV6_HOPS = 7, IPV6_FROM = 8, IPV6_TO = 24 };
enum { TCP_TO = 2, TCP_SEQUENCE = 4, TCP_ACK = 8, TCP_OFFSET = 12, TCP_FLAGS = 13, TCP_CHECKSUM = 16 };
enum { SYN = 0x02, RST = 0x04, ACK = 0x10 };

static int raw_ipv4 = -1, raw_ipv6 = -1;

static uint32_t word_at(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put_half(uint8_t *at, uint32_t value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

static void put_word(uint8_t *at, uint32_t value) {
  put_half(at, value >> 16);
  put_half(at + 2, value & 0xffff);
}

// ── Sockets ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// <linux/filter.h>, which musl-gcc does not find.
struct instruction {
  uint16_t code;
  uint8_t yes, no;
  uint32_t value;
};
struct filter {
  uint16_t count;
  struct instruction *instructions;
};
enum { LOAD_WORD = 0x20, LOAD_HALF = 0x28, LOAD_BYTE = 0x30, AND = 0x54, JUMP = 0x05 };
enum { IS = 0x15, SET = 0x45, RETURN = 0x06 };
#define OF_KERNEL(what) ((uint32_t)-0x1000 + (what)) // not of the packet: its protocol, its way, its mark
enum { PROTOCOL = 0, WAY = 4, MARK = 20 };

// Outward, not the agent's own; then of each family that it is TCP, SYN without ACK, and not to loopback.
static int keep_syns(int fd) {
  enum { IPV6 = 17, FLAGS = 20, YES = 22, NO = 23 };
  struct instruction program[NO + 1] = {
      [0] = {LOAD_WORD, 0, 0, OF_KERNEL(WAY)},
      [1] = {IS, 0, NO - 2, PACKET_OUTGOING},
      [2] = {LOAD_WORD, 0, 0, OF_KERNEL(MARK)},
      [3] = {IS, NO - 4, 0, PACKET_MARK},
      [4] = {LOAD_WORD, 0, 0, OF_KERNEL(PROTOCOL)},
      [5] = {IS, IPV6 - 6, 0, ETHERTYPE_IPV6},
      [6] = {IS, 0, NO - 7, ETHERTYPE_IP},
      [7] = {LOAD_HALF, 0, 0, IPV4_FRAGMENT},
      [8] = {SET, NO - 9, 0, 0x3fff}, // more fragments, or a later one
      [9] = {LOAD_BYTE, 0, 0, IPV4_PROTOCOL},
      [10] = {IS, 0, NO - 11, IPPROTO_TCP},
      [11] = {LOAD_BYTE, 0, 0, IPV4_TO},
      [12] = {IS, NO - 13, 0, 127},
      [13] = {LOAD_BYTE, 0, 0, 0},
      [14] = {IS, 0, NO - 15, 0x45}, // options, which nobody sends
      [15] = {LOAD_BYTE, 0, 0, IPV4_BYTES + TCP_FLAGS},
      [16] = {JUMP, 0, 0, FLAGS - 17},
      [IPV6] = {LOAD_BYTE, 0, 0, IPV6_PROTOCOL},
      [18] = {IS, 0, NO - 19, IPPROTO_TCP},
      [19] = {LOAD_BYTE, 0, 0, IPV6_BYTES + TCP_FLAGS},
      [FLAGS] = {AND, 0, 0, SYN | ACK},
      [21] = {IS, 0, NO - 22, SYN},
      [YES] = {RETURN, 0, 0, SYN_BYTES_MAX},
      [NO] = {RETURN, 0, 0, 0},
  };
  struct filter filter = {.count = NO + 1, .instructions = program};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
}

static int open_wire(void) {
  // With no protocol it hears nothing: the filter is there before the first packet.
  int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int room = WIRE_BYTES;
  if (fd < 0) return -errno;
  struct sockaddr_ll lo = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex("lo")};
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  if (keep_syns(fd) == 0 && bind(fd, (struct sockaddr *)&lo, sizeof lo) == 0) return fd;
  int error = errno;
  close(fd);
  return -error;
}

static int open_raw(int family) {
  int fd = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_RAW); // with headers of ours
  uint32_t mark = PACKET_MARK;
  if (fd < 0) return -errno;
  if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) == 0) return fd;
  int error = errno;
  close(fd);
  return -error;
}

int packet_init(int ipv6, const char **what) {
  *what = "raw sockets (CAP_NET_RAW)";
  raw_ipv4 = open_raw(AF_INET);
  if (raw_ipv4 < 0) return raw_ipv4;
  if (ipv6) raw_ipv6 = open_raw(AF_INET6);
  if (ipv6 && raw_ipv6 < 0) return raw_ipv6;
  *what = "packet sockets (CAP_NET_RAW, AF_PACKET)";
  return open_wire();
}

// ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────

static uint32_t ip_bytes(const struct rw_inet *end) { return end->family == 6 ? IPV6_BYTES : IPV4_BYTES; }

// Of `got` bytes of a packet of this family: all of its headers? Cuts off what is behind them.
static int looks_whole(struct syn *syn, uint32_t got) {
  const uint8_t *packet = syn->packet;
  uint32_t ip = ip_bytes(&syn->source);
  if (got < ip + TCP_BYTES) return 0;
  if (syn->source.family == 4 && (packet[0] != 0x45 || packet[IPV4_PROTOCOL] != IPPROTO_TCP)) return 0;
  if (syn->source.family == 6 && (packet[0] >> 4 != 6 || packet[IPV6_PROTOCOL] != IPPROTO_TCP)) return 0;
  uint32_t tcp = (uint32_t)(packet[ip + TCP_OFFSET] >> 4) * 4;
  if (tcp < TCP_BYTES || got < ip + tcp || (packet[ip + TCP_FLAGS] & (SYN | ACK)) != SYN) return 0;
  syn->bytes = ip + tcp;
  return 1;
}

enum packet packet_next(int fd, struct syn *syn) {
  struct sockaddr_ll from;
  socklen_t bytes = sizeof from;
  memset(syn, 0, sizeof *syn);
  ssize_t got = recvfrom(fd, syn->packet, sizeof syn->packet, MSG_DONTWAIT, (struct sockaddr *)&from, &bytes);
  // An error of the interface's is told once, and then there may be packets again.
  if (got < 0) return errno == EAGAIN ? PACKET_NONE : PACKET_OTHER;
  int is6 = from.sll_protocol == htons(ETH_P_IPV6);
  if ((!is6 && from.sll_protocol != htons(ETH_P_IP)) || (is6 && raw_ipv6 < 0)) return PACKET_OTHER;
  syn->source.family = syn->target.family = is6 ? 6 : 4;
  if (!looks_whole(syn, (uint32_t)got)) return PACKET_OTHER;
  const uint8_t *tcp = syn->packet + ip_bytes(&syn->source);
  memcpy(syn->source.address, syn->packet + (is6 ? IPV6_FROM : IPV4_FROM), is6 ? 16 : 4);
  memcpy(syn->target.address, syn->packet + (is6 ? IPV6_TO : IPV4_TO), is6 ? 16 : 4);
  syn->source.port = word_at(tcp) >> 16;
  syn->target.port = word_at(tcp) & 0xffff;
  syn->sequence = word_at(tcp + TCP_SEQUENCE);
  return PACKET_SYN;
}

// ── Writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// The Internet checksum (RFC 1071) of bytes, on top of those before. Only the last piece may have an odd count.
static uint32_t sum(const uint8_t *bytes, uint32_t count, uint32_t before) {
  uint32_t at = 0;
  for (; at + 1 < count; at += 2) before += (uint32_t)bytes[at] << 8 | bytes[at + 1];
  if (at < count) before += (uint32_t)bytes[at] << 8;
  return before;
}

static uint32_t folded(uint32_t total) {
  while (total >> 16) total = (total & 0xffff) + (total >> 16);
  return ~total & 0xffff;
}

// That of what stands behind the header of IP, with the addresses in it.
static void put_checksum(uint8_t *packet, uint32_t ip, uint32_t bytes, uint32_t protocol, uint32_t at) {
  uint32_t addresses = ip == IPV6_BYTES ? 32 : 8, from = ip == IPV6_BYTES ? IPV6_FROM : IPV4_FROM;
  put_half(packet + ip + at, 0);
  uint32_t all = sum(packet + from, addresses, protocol + bytes - ip);
  put_half(packet + ip + at, folded(sum(packet + ip, bytes - ip, all)));
}

static int send_packet(const struct rw_inet *to, const uint8_t *packet, uint32_t bytes) {
  struct rw_inet host = *to;
  struct sockaddr_storage at;
  host.port = 0; // that of a raw socket is its protocol
  socklen_t at_bytes = inet_to(&host, &at);
  int fd = to->family == 6 ? raw_ipv6 : raw_ipv4;
  return sendto(fd, packet, bytes, MSG_NOSIGNAL, (const struct sockaddr *)&at, at_bytes) == (ssize_t)bytes;
}

int packet_put_back(const struct syn *syn) {
  uint8_t packet[SYN_BYTES_MAX];
  uint32_t ip = ip_bytes(&syn->source);
  memcpy(packet, syn->packet, syn->bytes);
  if (ip == IPV6_BYTES) put_half(packet + IPV6_LENGTH, syn->bytes - ip);
  else put_half(packet + IPV4_LENGTH, syn->bytes); // its own checksum is the kernel's to make
  put_checksum(packet, ip, syn->bytes, IPPROTO_TCP, TCP_CHECKSUM);
  return send_packet(&syn->target, packet, syn->bytes);
}

// A header of IP, for so many bytes behind it. Returns its own.
static uint32_t put_ip(uint8_t *packet, const struct rw_inet *from, const struct rw_inet *to, uint32_t protocol,
                       uint32_t bytes) {
  if (from->family == 6) {
    packet[0] = 0x60;
    put_half(packet + IPV6_LENGTH, bytes);
    packet[IPV6_PROTOCOL] = (uint8_t)protocol;
    packet[IPV6_HOPS] = TIME_TO_LIVE;
    memcpy(packet + IPV6_FROM, from->address, 16);
    memcpy(packet + IPV6_TO, to->address, 16);
    return IPV6_BYTES;
  }
  packet[0] = 0x45;
  put_half(packet + IPV4_LENGTH, IPV4_BYTES + bytes);
  packet[8] = TIME_TO_LIVE;
  packet[IPV4_PROTOCOL] = (uint8_t)protocol;
  memcpy(packet + IPV4_FROM, from->address, 4);
  memcpy(packet + IPV4_TO, to->address, 4);
  return IPV4_BYTES;
}

// RST: nobody listens there.
static void refuse(const struct syn *syn) {
  uint8_t packet[IPV6_BYTES + TCP_BYTES] = {0};
  uint32_t ip = put_ip(packet, &syn->target, &syn->source, IPPROTO_TCP, TCP_BYTES);
  uint8_t *tcp = packet + ip;
  put_half(tcp, syn->target.port);
  put_half(tcp + TCP_TO, syn->source.port);
  put_word(tcp + TCP_ACK, syn->sequence + 1);
  tcp[TCP_OFFSET] = TCP_BYTES / 4 << 4;
  tcp[TCP_FLAGS] = RST | ACK;
  put_checksum(packet, ip, ip + TCP_BYTES, IPPROTO_TCP, TCP_CHECKSUM);
  send_packet(&syn->source, packet, ip + TCP_BYTES);
}

// From the target to the program, which finds its own socket by the headers of what it has sent.
static void unreachable(const struct rw_inet *source, const struct rw_inet *target, const uint8_t *sent,
                        uint32_t sent_bytes, enum unreachable why) {
  // Destination unreachable: type and code of ICMP, and of ICMPv6.
  static const uint8_t codes[][2] = {
      [NO_NETWORK] = {0, 0}, [NO_HOST] = {1, 3}, [NOT_ALLOWED] = {13, 1}, [NO_PORT] = {3, 4}};
  enum { ICMP_UNREACHABLE = 3, ICMPV6_UNREACHABLE = 1, CHECKSUM = 2 };
  uint8_t packet[IPV6_BYTES + ICMP_BYTES + SYN_BYTES_MAX] = {0};
  int is6 = source->family == 6;
  uint32_t ip = put_ip(packet, target, source, is6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, ICMP_BYTES + sent_bytes);
  uint32_t bytes = ip + ICMP_BYTES + sent_bytes;
  packet[ip] = is6 ? ICMPV6_UNREACHABLE : ICMP_UNREACHABLE;
  packet[ip + 1] = codes[why][is6];
  memcpy(packet + ip + ICMP_BYTES, sent, sent_bytes);
  if (is6) put_checksum(packet, ip, bytes, IPPROTO_ICMPV6, CHECKSUM);
  else put_half(packet + ip + CHECKSUM, folded(sum(packet + ip, bytes - ip, 0)));
  send_packet(source, packet, bytes);
}

void packet_no_connection(const struct syn *syn, enum unreachable why) {
  if (why == NO_PORT) refuse(syn);
  else unreachable(&syn->source, &syn->target, syn->packet, syn->bytes, why);
}

void packet_no_datagram(const struct rw_inet *source, const struct rw_inet *target, uint32_t bytes,
                        enum unreachable why) {
  enum { UDP_TO = 2, UDP_LENGTH = 4 };
  uint8_t sent[IPV6_BYTES + UDP_BYTES] = {0};
  uint32_t ip = put_ip(sent, source, target, IPPROTO_UDP, UDP_BYTES + bytes);
  put_half(sent + ip, source->port);
  put_half(sent + ip + UDP_TO, target->port);
  put_half(sent + ip + UDP_LENGTH, UDP_BYTES + bytes);
  unreachable(source, target, sent, ip + UDP_BYTES, why);
}
