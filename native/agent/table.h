// Connections: what is known of one, who has work to do, who is out of time. See table.c.
//
//   a program comes:    HANDSHAKE ──▶ WANTING ──▶ ASKED ──▶ OPENING ──▶ CARRYING ──▶ FREE
//                           │            │ no host   │         │ refused      ▲
//                           └────────────┴───▶ PARTING ◀───────┘              │
//   a published port:                  WANTING ──▶ ASKED ──▶ OPENING ──▶ OWN ─┘
//   CARRYING ─ the program broke it ─▶ BREAKING ─ the host has taken all ─▶ FREE           and RESET
//   CARRYING ─ the host broke it ────▶ LEAVING ─ the program's kernel has all ─▶ FREE      and RST
//
//   begin.c  HANDSHAKE to OPENING      carry.c  CARRYING      break.c  BREAKING      end.c  LEAVING, PARTING, FREE
//   OWN is its front's: its `step` says what happens (service.c, publish.c).

#ifndef RINGWAY_AGENT_TABLE_H
#define RINGWAY_AGENT_TABLE_H

#include "limits.h"

enum state {
  FREE,
  HANDSHAKE, // the program has not said all that it must
  WANTING,   // a stream; waits for the host, for a place (room.c), or for room in the control pipe
  ASKED,     // NewStream was sent
  OPENING,   // the stream came; Open was sent, or its front has something to do before that
  OWN,       // what its front makes of it
  CARRYING,  // raw bytes both ways
  BREAKING,  // the program is gone, and what it has said is on its way to the host
  LEAVING,   // there is no stream any more, and what came by it is on its way to the program
  PARTING,   // all is said; the program hangs up, or is out of time
};

enum flag {
  READABLE = 1,    // recv() may have something
  WRITABLE = 2,    // send() may take something
  RDHUP = 4,       // the program sends no more: behind what is readable there is the end
  HUP = 8,         // nor does it read
  BROKEN = 16,     // an error waits in the socket
  TAKEN = 32,      // a call had that error: after the bytes recv() will say that they end
  UNIX = 64,       // the descriptor is a Unix socket: no RST, and SHUT_RD reaches the program
  QUEUED = 128,    // in the run queue
  OUT_DONE = 256,  // program to host: END was passed on
  IN_DONE = 512,   // host to program: END was passed on
  DROPPING = 1024, // the host takes no more (OUT_DONE): what the program still says is dropped
  STOPPED = 2048,  // the program takes no more, and the host knows
  AHEAD = 4096,    // its front has bytes that go first: this and the next two in front.h, struct framing
  BOUNDED = 8192,  // its front says which bytes go
  FOLLOWED = 16384, // its front reads along in the answer
  RETRYING = 32768, // HANDSHAKE: it waits for the host, or for room in the control pipe
  URGENT = 65536,   // a byte of the program's is urgent: recv() ends before it, and there is more
  IN_ORDER = 131072, // the kernel closes the socket without a RST
};

struct front;

struct conn {
  const struct front *front;
  struct rw_stream *stream;   // or NULL
  struct rw_stream *listener; // a second one, of a front that needs it; or NULL
  _Alignas(8) uint8_t own[OWN_BYTES]; // its front's, 0 at first
  int64_t deadline_ms;        // 0: none
  int fd;                     // or -1
  uint32_t next;              // in the run queue, or among the free
  uint32_t before, after;     // in its list: room.c
  uint32_t ring_bytes;        // wished for
  uint32_t pages;             // of the region, that its stream takes
  uint32_t unsent;            // BREAKING: bytes that the host had not taken when last looked
  uint32_t look_ms;           // between two looks: gone.c, LEAVING
  uint32_t route;             // of options.forward or options.publish
  uint32_t flags;
  uint8_t state, list;
};

#define CONN_NONE 0xffffffffu // no index

static inline void conn_clear(struct conn *conn, uint32_t flags) { conn->flags &= ~flags; }

void table_init(uint32_t slots);
struct conn *conn_new(const struct front *front, int fd); // NULL: the table is full
void conn_free(struct conn *conn);      // neither fd nor stream are touched
struct conn *conn_at(uint32_t index);   // NULL past the end
uint32_t conn_index(const struct conn *conn);
uint32_t table_free(void);
void conn_wake(struct conn *conn);
void conn_deadline(struct conn *conn, uint32_t ms); // from now; 0: none
int table_busy(void);
void table_run(void (*turn)(struct conn *conn));    // one turn for each that stands in the queue now
// Tells those out of time; returns when the next one is, or -1.
int64_t table_expire(int64_t now, void (*expired)(struct conn *conn));

#endif
