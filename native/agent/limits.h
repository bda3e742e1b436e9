// Every limit of the agent, with its reason or its arithmetic. A number that bounds something stands here and nowhere
// else; numbers of a wire format stand beside the code that reads it. Units are the last word of a name.

#ifndef RINGWAY_AGENT_LIMITS_H
#define RINGWAY_AGENT_LIMITS_H

#include "ringway-udp.h"

// ── How many ────────────────────────────────────────────────────────────────────────────────────────────────────────

enum {
  ROUTES_MAX = 64,         // --forward and --publish, each
  MOUNTS_MAX = 16,         // --mount
  LISTENERS_MAX = ROUTES_MAX + MOUNTS_MAX + 12, // and SOCKS, HTTP, service; of --transparent 1, and 4 of each family
  AUTO_MAX = 32,           // ports of --publish auto, of those ROUTES_MAX
  AUTO_MISSED = 2,         // looks that have not found one until it is withdrawn: of one alone it may have slipped
  STREAMS_DEFAULT = 4096,  // connections at once
  STREAMS_SPARE = 64,      // for the listeners of programs, one for each `rwcat -l`
  STREAMS_MAX = RW_MAX_STREAM_ID - ROUTES_MAX - STREAMS_SPARE, // what is left of the ids beside all listeners
  WAITERS = 1024,          // slots beside those of the streams: for those that greet, wait in line, or hang up
  WAITERS_MIN = 8,         // of few descriptors
  DESCRIPTORS = 160,       // that are no connection's: LISTENERS_MAX, the link, /proc, and then some
  SHARE = 4,               // programs, and published ports, have a quarter of the places each for themselves
  POSTED_MAX = 32,         // accepts that one published port has posted
  BACKLOG = 4096,          // of every listener: the kernel's own limit where that is less
  HELD_MAX = 4096,         // SYNs that wait for the host: as many as connections by default; 200 bytes each
  FUSE_QUEUE_MAX = 4096,   // requests of a mount that wait: the kernel keeps the others; 800 bytes each
  FUSE_QUEUE_LARGE_MAX = 32, // of these, with a FUSE_BUFFER_BYTES
  FUSE_MISSING_MAX = 1024, // names that are not there, of a mount that is watched, a multiple of 4; 16 bytes each
  FUSE_FLIGHTS_MAX = 256,  // of a mount's on their way: the host's 64, as many locks that wait, and what is given back
  ASSOCIATIONS_MAX = 32,   // of SOCKS5's UDP ASSOCIATE: each has a descriptor more
  FLOWS_MAX = 1024,        // of datagrams: a quarter of the connections by default, and of those where they are fewer
  FLOW_WAITING_MAX = 16,   // datagrams of a flow that wait for the host: what programs say before they have an answer
  FLOW_TRAIN_MAX = 2 * RW_UDP_TRAIN_MAX, // of a train that found the ring full: the kernel's have 64, or 128
  QUERIES_MAX = 512,       // questions for names that wait for the host: 800 bytes each, looked through for each answer
  NAMES_MAX = 16384,       // names with an address of their own, a power of two: 1000 new ones a second; 290 bytes each
};

// ── How much in one turn, so that others get theirs ─────────────────────────────────────────────────────────────────

enum {
  EVENTS = 256,            // of epoll, each round
  SLOTS_AT_ONCE = 256,     // pending streams, each round
  ACCEPTS_AT_ONCE = 64,    // of one listener, each round
  FRAMES_AT_ONCE = 64,     // of one listener's stream
  DATAGRAMS_AT_ONCE = 64,  // of one flow, each way
  DRAINS_AT_ONCE = 16,     // reads of what is for nobody: of PEEK_BYTES each
  TURN_BYTES = 256 * 1024, // each way: the largest ring of a connection once
};

// ── Bytes ───────────────────────────────────────────────────────────────────────────────────────────────────────────

enum {
  PEEK_BYTES = 16 * 1024,     // what a program may say before the host answers: the head of an HTTP request
  OWN_BYTES = 24,             // of a connection, that its front uses as it likes
  RINGS_LARGE_BYTES = 256 * 1024, // while the streams that are there take a quarter of the region: see streams.c
  RINGS_MEDIUM_BYTES = 64 * 1024, // half
  RINGS_SMALL_BYTES = 16 * 1024,  // five eighths
  PUBLISHED_RING_BYTES_MAX = RINGS_MEDIUM_BYTES, // posted ahead, used or not
  UDP_RING_BYTES_MAX = 128 * 1024, // what the largest datagrams want (UDP-6)
  DATAGRAM_BYTES_MAX = RW_UDP_MAX_BYTES,
  TRAIN_BYTES_MAX = 65507, // over IPv4, as the host may reach a name (UDP-6)
  FLOWS_WAITING_BYTES = 4 * 1024 * 1024, // of datagrams that wait, of all flows: 64 of the largest
  CHUNK_LINE_BYTES_MAX = 4096,       // a chunk's size and extensions
  TRAILERS_BYTES_MAX = PEEK_BYTES,   // as for a head
  SYN_BYTES_MAX = 100,    // the longest headers: IPv6's 40, TCP's 60
  WIRE_BYTES = 1024 * 1024, // of SYNs, or datagrams, not looked at yet: about 1000, where the kernel allows it
  DNS_BYTES_MAX = 4096,   // of a message: on lo none is fragmented
  NETLINK_BYTES = 12 * 1024, // of requests that go together: all of the table's take half of it
  FUSE_DATA_BYTES = 1024 * 1024, // of one read or write of the kernel: the most that it does at once
  FUSE_BUFFER_BYTES = FUSE_DATA_BYTES + 4096, // with what stands before them
  FUSE_BUFFERS_KEPT = 16,  // of these, while they are not used
  FUSE_SMALL_BYTES = 640,  // a request that is kept without one: two names and their fields
  FUSE_FIELDS_BYTES = 2 * RW_PATH_MAX_BYTES + RW_NAME_MAX_BYTES + 96, // of a request of ours, without data
  FUSE_RING_BYTES = FUSE_DATA_BYTES, // one of the kernel's reads or writes on its way: 16 frames
  FUSE_REGION_BYTES_MIN = 32 * FUSE_RING_BYTES, // for each mount: all of them take a sixteenth, or have smaller rings
  FUSE_AHEAD_BYTES = 60 * 1024, // of a file that is read when it is opened: what a frame has room for
  FUSE_AHEAD_KEPT_BYTES = 4 * 1024 * 1024, // of such files, while they are not read, or on their way: 68 of the largest
  FUSE_COPY_BYTES = 64 * 1024 * 1024, // of a copy on the host at once: a tenth of a second
  REASON_BYTES_MAX = 256, // of a sentence in a reason phrase or a header: programs have short lines for them
};

// ── Time ────────────────────────────────────────────────────────────────────────────────────────────────────────────

enum {
  TICK_MS = 8,             // time limits are rounded up to it: so often the table is looked through
  ROUND_MS_MAX = 60000,    // the longest sleep

  // A connection's.
  EARLY_MS = 1000,         // so long everybody may take for a greeting, however many come
  PARTING_MS = 2000,       // for a program to read its last words and hang up
  LEAVING_MS_MIN = 5,      // between two looks whether the program's kernel has all; doubled
  LEAVING_MS_MAX = 500,
  STANDSTILL_MS = 1000,    // a host that takes nothing for so long gets RESET at once
  LOOK_MS_MIN = 16,        // between two looks whether a program has closed its socket; doubled
  LOOK_MS_MAX = 8192,
  CONNECT_MS = 30000,      // to a port of the guest
  PUT_BACK_MS = 3000,      // for a SYN that was put back to become a connection: at once, or when it is sent again
  ACCEPT_AGAIN_MS = 100,   // after EMFILE and the like

  FUSE_VALID_S = 1,        // in seconds: so long the kernel believes in names and attributes
  QUERY_MS = 9000,         // a question waits: less than those who ask, twice 5 s
  REFUSED_MS = 250,        // a name that was refused is so again: it is asked for at once, as no other server is there
  NAME_TTL_S = 15,         // in seconds: so long programs may keep what a name's address is, and it means that

  // The host's.
  RAISE_MS = 1000,         // between two tries whether the host gives more streams
  SPARE_MS = 4000,         // and so much more where nobody waits for one
  RETRY_MS_MIN = 100,      // between two tries to listen on the host; doubled
  RETRY_MS_MAX = 5000,
  DENIED_MS_MAX = 60000,   // the same where the host denies it: the operator may publish it
  AUTO_MS = 500,           // between two looks at who listens in the guest: a port is there within a second
  PROBE_MS = 250,          // no accept is posted: soon
  BACKOFF_MS_MIN = 10,     // between two tries to attach; doubled
  BACKOFF_MS_MAX = 1000,
  STEADY_MS = 1000,        // up for so long: the next loss is a new one
  BELL_MS = 1000,          // between two looks: a serial line may lose a bell, and does not hang up
  SILENT_MS = 8000,        // without a word: no load alone takes so long; less than QUERY_MS, for the log to tell why
  HELLO_MS = 1000,         // for the attach socket's hello
  DEVICE_MS = 60000,       // a driver may be loaded late, but not so late

  // The log's.
  QUIET_MS_MIN = 1000,     // a shortage lasts so long for the log, at least
  QUIET_MS_MAX = 60000,    // and where the same goes on and on
  REFUSALS_MS = 1000,      // in so long there are REFUSALS_MAX lines, and LINKS_MAX links of /proc are read:
  REFUSALS_MAX = 8,
  LINKS_MAX = 4096,        // 2 us each, so about 10 ms of search
  PROCESSES_MAX = 2048,    // the youngest
};

#endif
