// A front: one way in which programs of the guest, or clients of the host, come to a stream. agent.h says how one is
// added.
//
// What it does is asked of it at fixed points of a connection's life; everything else is the same for all. Its
// functions may end the connection (conn_drop(), end_with()) or go on with it (carry_begin()): the caller looks at its
// state again.

#ifndef RINGWAY_AGENT_FRONT_H
#define RINGWAY_AGENT_FRONT_H

#include "diag.h"
#include "table.h"

enum side { // who begins a connection, and whose places it takes: room.c
  OUT,      // a program of the guest
  IN,       // a client of the host: made ahead, and anew with each epoch
  BESIDE,   // the agent itself, for IN: it takes no place
};

enum shake { SHAKE_MORE, SHAKE_DONE, SHAKE_OVER }; // OVER: the connection was given other things to do, or is gone

// What a front does with the bytes of a CARRYING connection: each while its flag is set, but `unheard`, which is told
// whatever flags there are. None: bytes as they are.
struct framing {
  int32_t (*ahead)(struct conn *conn);               // AHEAD: RW_OK once its bytes are in the ring, and AHEAD is clear
  int (*is_whole)(struct conn *conn);                // BOUNDED: all is said that may go to the host
  int32_t (*most)(struct conn *conn, uint32_t most); // BOUNDED: so many bytes may go; 0: none is there; below 0: never
  int (*took)(struct conn *conn, uint32_t got, uint32_t asked); // of what `most` said; 0: they were no such bytes
  void (*heard)(struct conn *conn, const void *bytes, uint32_t count); // FOLLOWED: from the host; 0 bytes: its end
  void (*unheard)(struct conn *conn);                // the program takes no more
};

struct front {
  const char *name; // for the log
  enum side side;
  uint32_t ring_bytes_max;

  // The whole front, each NULL where there is nothing to do.
  void (*listen)(void);          // before the loop: its sockets in the guest
  void (*up)(void);              // an epoch begins
  int64_t (*tick)(int64_t now);  // each round; when to call again, or -1
  int (*come)(int fd);           // takes one thing that has come by listen_own(); 0: there is nothing
  // What becomes of one that was accepted, of which the kernel says who it is. NULL: a connection in HANDSHAKE.
  void (*accepted)(int fd, const struct rw_inet *program);

  // A connection.
  enum shake (*shake)(struct conn *conn); // HANDSHAKE: looks at what the program has said. NULL: it need say nothing
  int32_t (*open)(struct conn *conn);     // OPENING, while the stream is FRESH: sends Open; a status of the library's
  void (*opened)(struct conn *conn, const struct rw_frame *frame);  // OPENING: the host said yes. NULL: it never does
  void (*refused)(struct conn *conn, const struct rw_error *error); // it said no; there is no stream any more
  void (*step)(struct conn *conn);        // OWN: something has happened. NULL: never OWN
  void (*ended)(struct conn *conn);       // it goes, for whatever reason. NULL: nobody need know
  // Bytes of the question, of one that is answered before the program says more; 0 where what it says is to be sent on.
  uint32_t (*question_bytes)(struct conn *conn); // or NULL
  enum far (*far_end)(struct conn *conn, struct far_end *end); // which program it is, while fd is -1; or NULL
  const struct framing *framing;          // or NULL
};

// fronts.c
extern const struct front socks_front, http_front, forward_front, service_front, published_front, listener_front;
extern const struct front mount_front, transparent_front, datagrams_front, resolver_front, resolver_tcp_front;
extern const struct front auto_front;
void fronts_listen(void);
void fronts_up(void);
int64_t fronts_tick(int64_t now);

#endif
