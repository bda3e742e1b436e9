// The agent in the guest: programs that know nothing of Ringway talk to its sockets, and it talks to the host.
//
//   program ── SOCKS5, HTTP, --forward, service socket ──▶ connection ── stream ──▶ host
//   program ◀── connect() ── connection ◀── posted accept ── --publish's listener ◀── host
//
// One thread, one epoll, one table of connections, allocated once. A connection is a descriptor of this side, a stream of the
// other, or one of them while the other is on its way. Bytes wait in the kernel's buffers or in the rings, nowhere else:
//
// - What a program says first (a SOCKS request, the head of an HTTP request, an Open) is looked at with MSG_PEEK and stays in
//   the kernel until the host has answered. It is parsed again when it is needed, so nothing of it is kept here; bytes behind it
//   are found where they were.
// - After that, recv() goes straight into the ring and send() straight out of it.
//
// Descriptors are watched edge-triggered, once and for all. READABLE and WRITABLE say what is known of one: true until a call
// says EAGAIN. What may have work to do stands in the run queue, and gets one turn of bounded length for each round of the loop.
//
//   link.c     the host: DOWN, ATTACHING, UP                local.c     the descriptors of this side
//   loop.c     epoll                                        socks.c, http.c, forward.c, service.c
//   table.c    connections, run queue, time limits                      what each kind says and is told; of HTTP:
//   room.c     who may have a connection; shortage.c                    head.c, body.c, upgrade.c, answer.c
//   turn.c     one turn of a connection                     refusal.c, peer.c   the log: what was refused, to whom
//   open.c     from a wish to an open stream                publish.c   listeners on the host
//   carry.c    bytes, half-closes, resets                   gone.c, diag.c      has a program closed its socket?
//                                                           options.c, main.c

#ifndef RINGWAY_AGENT_H
#define RINGWAY_AGENT_H

#include "../tools/say.h"

// ── Options (options.c) ─────────────────────────────────────────────────────────────────────────────────────────────

enum {
  ROUTES_MAX = 64, // --forward and --publish, each
  STREAMS_DEFAULT = 4096,
  STREAMS_SPARE = 64, // for the listeners of programs
  STREAMS_MAX = RW_MAX_STREAM_ID - ROUTES_MAX - STREAMS_SPARE,
};

struct address { // where to listen in the guest
  const char *text; // as it was given: for people
  uint8_t ip[16];
  uint16_t port;
  uint8_t family; // 4, 6; 0: not at all
};

struct route {
  struct address here;   // forward: where to listen
  struct rw_inet there;  // publish: where to listen on the host
  const char *host;      // forward: whom to connect to
  uint32_t host_bytes;
  uint16_t port;         // of the host's end (forward), in the guest (publish)
};

struct options {
  const char *memory, *channel; // or neither: the devices are looked for
  const char *socket;           // or the monitor's attach socket
  const char *service;          // NULL: none
  int service_given;
  struct address socks, http;
  struct route forward[ROUTES_MAX], publish[ROUTES_MAX];
  uint32_t forwards, publishes;
  uint32_t streams, busy_poll_us, hold_ms, handshake_ms, turn_ms;
  uint32_t wait_ms; // 0: for ever; WAIT_AS_IT_IS: as long as it makes sense where the host is
};

#define WAIT_AS_IT_IS 0xffffffffu
#define SERVICE_PATH "/run/ringway.sock"

extern struct options options;
void options_parse(int argc, char **argv);

// ── Connections (table.c) ───────────────────────────────────────────────────────────────────────────────────────────

enum kind { KIND_SOCKS, KIND_HTTP, KIND_FORWARD, KIND_SERVICE, KIND_PUBLISHED, KIND_LISTENER };

//   accept ──▶ HANDSHAKE ──▶ WANTING ──▶ ASKED ──▶ OPENING ──▶ CARRYING ──▶ FREE
//                  │            │ no host   │         │ refused      ▲
//                  └────────────┴───▶ PARTING ◀───────┘              │
//   --publish:                  WANTING ──▶ ASKED ──▶ POSTED ──▶ CONNECTING
//                               WANTING ──▶ ASKED ──▶ OPENING ──▶ LISTENING       its listener
//   CARRYING ─ the program broke it ─▶ BREAKING ─ the host has taken all ─▶ FREE    and RESET
//   CARRYING ─ the host broke it ────▶ LEAVING ─ the program's kernel has all ─▶ FREE    and RST
enum state {
  FREE,
  HANDSHAKE,  // the program has not said all that it must
  WANTING,    // a stream; waits for the host, for a place (room.c), or for room in the control pipe
  ASKED,      // NewStream was sent
  OPENING,    // Open was sent
  POSTED,     // Accept was sent
  LISTENING,  // the host listens
  CONNECTING, // Incoming came, connect() is under way
  CARRYING,   // raw bytes both ways
  BREAKING,   // the program is gone, and what it has said is on its way to the host
  LEAVING,    // there is no stream any more, and what came by it is on its way to the program
  PARTING,    // all is said; the program hangs up, or is out of time
};

enum flag {
  READABLE = 1,  // recv() may have something
  WRITABLE = 2,  // send() may take something
  RDHUP = 4,     // the program sends no more: behind what is readable there is the end
  HUP = 8,       // nor does it read
  BROKEN = 16,   // an error waits in the socket
  OUT_DONE = 32, // program to host: END was passed on
  IN_DONE = 64,  // host to program: END was passed on
  TAKEN = 128,   // a call had the socket's error: after the bytes recv() will say that they end
  HEAD = 256,    // HTTP: the head of the request goes first
  QUEUED = 512,  // in the run queue
  FRAMED = 1024, // HTTP: only the body of the request follows
  EXITING = 2048, // service: an Exit waits for the host, or for room in the control pipe
  DROPPING = 4096, // the host takes no more (OUT_DONE): what the program still says is dropped
  STOPPED = 8192, // the program takes no more, and the host knows
};

struct body {    // of a request: see body.c
  uint64_t left; // of its data, or of the chunk's
  uint16_t line; // bytes of the line, or of the trailers
  uint8_t at;
};

struct upgrade { // of the connection, that a request offers: see upgrade.c
  uint16_t status;
  uint8_t at, bytes;
};

struct conn {
  struct rw_stream *stream;   // or NULL
  struct rw_stream *listener; // service: of one that listens
  struct body body;           // FRAMED
  struct upgrade upgrade;
  int64_t deadline_ms;        // 0: none
  int fd;                     // or -1
  uint32_t next;              // in the run queue, or among the free
  uint32_t before, after;     // in its list: room.c
  uint32_t ring_bytes;        // wished for
  uint32_t pages;             // of the region, that its stream takes
  uint32_t head_sent;         // HEAD: bytes of it that are in the ring
  uint32_t left;              // BREAKING: bytes that the host had not taken when last looked; else ms between two looks
  uint32_t request;           // service: id of the program's first frame
  uint32_t route;             // of options.forward or options.publish
  uint16_t flags;
  uint8_t kind, state, list;
  uint8_t step; // of what its kind does first: see socks.c, publish.c
};

#define CONN_NONE 0xffffffffu // no index

void table_init(uint32_t slots);
struct conn *conn_new(enum kind kind, int fd); // NULL: the table is full
void conn_free(struct conn *conn);             // neither fd nor stream are touched
struct conn *conn_at(uint32_t index);          // NULL past the end
uint32_t conn_index(const struct conn *conn);
uint32_t table_free(void);
void conn_wake(struct conn *conn);
void conn_deadline(struct conn *conn, uint32_t ms); // from now; 0: none
int table_busy(void);
void table_run(void);                 // one turn for each that stands in the queue now
int64_t table_expire(int64_t now);    // ends those out of time; returns when the next one is, or -1
void conn_step(struct conn *conn);    // turn.c
void conn_expired(struct conn *conn); // turn.c

// ── Room (room.c, shortage.c) ───────────────────────────────────────────────────────────────────────────────────────

enum list { NOWHERE, EARLY, IN_LINE, PLACED, LATE };

uint32_t room_init(void); // how many slots the table must have; may lower options.streams
void room_up(void);       // a new epoch
void room_enter(struct conn *conn, enum list list);
// A program's wish: 1 where it has a place now; 0 where it stands in line, and is woken for it.
int room_take(struct conn *conn);
void room_asks(const struct conn *conn);     // ASKED begins
void room_answered(const struct conn *conn); // ASKED ends
// The host refused it a stream for want of room, as it will those that have asked after it: 1 where it stands in line again,
// before all others; 0 where that would be in vain.
int room_host_full(struct conn *conn);
void room_posting(void);                // publish.c begins to ask
int room_may_post(uint32_t posted);     // one more, beside as many that wait for a client
uint32_t room_surplus(void);            // so many are posted that programs should have
int room_make_slot(void);               // 1 where a slot is free
int64_t room_slot_ms(void);             // when room_make_slot() could make one, or -1
int64_t room_tick(int64_t now);         // when to call again, or -1

int shortage_begins(void); // 1 where the caller says why, and ends the line
void shortage_waits(void); // one more that must
void shortage_refused(void);
void shortage_ended(void);
int64_t shortage_tick(int64_t now, int goes_on);

// ── What each kind does (socks.c, http.c, forward.c, service.c, publish.c) ──────────────────────────────────────────

enum shake { SHAKE_MORE, SHAKE_DONE, SHAKE_OVER }; // OVER: the connection was given other things to do, or is gone

struct front {
  enum shake (*shake)(struct conn *conn);  // looks at what the program has said
  int32_t (*open)(struct conn *conn);      // the stream is FRESH: sends Open; a status of the library's
  void (*opened)(struct conn *conn, const struct rw_frame *frame); // the host has answered
  void (*refused)(struct conn *conn, const struct rw_error *error);
  uint32_t ring_bytes_max;
  // Bytes of the question, of one that is answered before the program says more; 0 where what it says is to be sent on.
  // May be NULL.
  uint32_t (*question_bytes)(struct conn *conn);
};
extern const struct front socks_front, http_front, forward_front, service_front, published_front, listener_front;
const struct front *front_of(const struct conn *conn);

// http.c: the head of a request, into the ring. 1 when all of it is there; 0 not yet; below 0 a status.
int32_t http_send_head(struct conn *conn);
void service_step(struct conn *conn); // OPENING and POSTED of a service connection that listens

// body.c: how much of what the program says belongs to the request.
void body_length(struct body *body, uint64_t bytes);
void body_chunked(struct body *body);
int body_is_over(const struct body *body);
uint64_t body_data(const struct body *body);            // so many bytes are data; 0: look at what comes
void body_took(struct body *body, uint64_t bytes);      // of these
int32_t body_take(struct body *body, const uint8_t *bytes, uint32_t count); // how many belong to it; -1: it is malformed
int http_is_token(uint8_t byte);

// upgrade.c: the answer to a request that offers one.
void upgrade_await(struct upgrade *upgrade);
void upgrade_give_up(struct upgrade *upgrade);                 // it will not be read; of one that is not awaited nothing
int upgrade_is_awaited(const struct upgrade *upgrade);
int upgrade_is_done(const struct upgrade *upgrade);            // 101: raw bytes follow
int upgrade_read(struct upgrade *upgrade, const uint8_t *bytes, uint32_t count); // 1: it is known

// answer.c: why there is no answer of the server's; then the end.
void answer_malformed(struct conn *conn, int status);
void answer_refused(struct conn *conn, struct rw_text authority, const struct rw_error *error);

// refusal.c: a line in the log, where the policy refused what the program asked of `front`. peer.c: which program that is.
void refusal_say(const struct conn *conn, const char *front, struct rw_text to, const struct rw_error *error);
struct peer {
  uint32_t pid, name_bytes;
  char name[16];
};
int peer_find(int fd, uint32_t *links, struct peer *peer); // reads at most so many links; what is left of them

void publish_up(void);                       // the link is up: listeners on the host
int64_t publish_tick(int64_t now);           // keeps accepts posted; when to call again, or -1
void publish_listening(struct conn *conn);   // the listener has something to say
void publish_incoming(struct conn *conn);    // POSTED: has a connection come?
void publish_connected(struct conn *conn);   // CONNECTING: has connect() succeeded?
void publish_left(struct conn *conn);        // a posted one, or a listener, is gone

// ── Streams (open.c, carry.c, gone.c) ───────────────────────────────────────────────────────────────────────────────

void open_wish(struct conn *conn);    // HANDSHAKE is over: WANTING
void open_step(struct conn *conn);    // WANTING, ASKED, OPENING
void open_retry(void);                // the link is up, or there is a slot or room in the control pipe again
void open_refuse(struct conn *conn, uint32_t error, const char *reason);
void open_in_vain(struct conn *conn); // WANTING: out of time
void open_look(struct conn *conn);    // ASKED, OPENING: the program has ended; is it still there?
void carry_begin(struct conn *conn);
void carry_step(struct conn *conn);
void carry_break(struct conn *conn); // the program has broken its connection
void carry_breaking(struct conn *conn);
void carry_expired(struct conn *conn); // BREAKING
void carry_look(struct conn *conn);    // CARRYING: the program has ended; is it still there?

int gone_is_closed(const struct conn *conn); // the program has sent FIN, and nobody has its end any more; 0 where that is not known

// diag.c: the program's end of a connection over loopback, as the kernel knows it. 0: it does not tell.
struct far_end {
  uint8_t state;  // of TCP
  uint32_t inode; // 0: nobody has it open
};
void diag_init(void);
int diag_ask(int fd, struct far_end *end);

enum { LOOK_MIN_MS = 16, LOOK_MAX_MS = 8192 }; // between two looks

enum how { CLOSE, RESET };
void stream_leave(struct conn *conn, enum how how);   // gives stream and listener back
void listener_leave(struct conn *conn, enum how how); // the listener alone
// Both ends, and the slot.
void conn_drop(struct conn *conn, enum how how);

// ── This side's descriptors (local.c) ───────────────────────────────────────────────────────────────────────────────

enum { PEEK_BYTES = 16 * 1024 };

void local_init(void);                               // the listening sockets; ends the program where one cannot be had
void local_ready(uint32_t index);                    // connections wait at one of them
int64_t local_accept(void);                          // takes some; when to call again, or -1
void local_exit(void);
int local_listens(void); // at all
int local_is_unix(const struct conn *conn);
// Bytes at hand, at most PEEK_BYTES, in *bytes until the next call; 0 the end; -1 none yet; -2 broken.
int32_t local_peek(struct conn *conn, const uint8_t **bytes);
// Takes what the program says for nobody. 1: there is more; 0: it may say more; -1: it ended, or broke.
int local_drain(struct conn *conn);
void local_consume(struct conn *conn, uint32_t count); // of what was peeked
// A whole answer, at once: it is short, and the first bytes in an empty socket. 0: it could not be.
int local_answer(struct conn *conn, const void *bytes, uint32_t count);
void local_end(struct conn *conn); // no byte follows; what was sent is the kernel's to see to
void local_close(struct conn *conn);
void local_reset(struct conn *conn);
void local_watch(struct conn *conn);
// Last words, then the end; the program's remaining bytes are dropped.
void local_part(struct conn *conn, const void *bytes, uint32_t count);
void local_parting(struct conn *conn);
// RST, as soon as the program's kernel has what was sent to it. Not of a Unix socket.
void local_leave(struct conn *conn);
void local_leaving(struct conn *conn);
uint32_t local_unread(const struct conn *conn); // bytes that recv() would give
int local_error(const struct conn *conn); // errno, or 0
// connect() to a port on the guest's loopback, 127.0.0.1 or ::1, in place of one that failed. 0, or an errno.
int local_connect(struct conn *conn, uint8_t family, uint16_t port);

// ── The host (link.c) ───────────────────────────────────────────────────────────────────────────────────────────────

void link_init(void);
int link_is_up(void);
struct rw_guest *link_guest(void);
uint32_t link_region_pages(void);
int64_t link_tick(int64_t now); // tries what is due; when to call again, or -1
void link_heard(void);          // a descriptor of the link is ready
void link_take(void);           // what is pending goes to the run queue
int link_sleep(void);           // 1: nothing is pending, and the host knows that it must ring
void link_violated(int32_t status); // a call said that the epoch is over, or the host broke the protocol
void link_leave(void);

// ── The loop (loop.c) ───────────────────────────────────────────────────────────────────────────────────────────────

enum tag { TAG_CONN, TAG_LISTEN, TAG_LINK, TAG_SIGNAL };
int loop_watch(int fd, enum tag tag, uint32_t index); // 0, or an errno
int64_t now_ms(void);
void loop_init(void);
void loop_run(void); // until SIGTERM or SIGINT

#endif
