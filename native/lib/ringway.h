// The guest's side of Ringway in C11: attach to a region of shared memory, open streams, move bytes (PROTOCOL.md).
//
// Freestanding: no libc, no allocation, no threads, no 64-bit division. The caller hands in the memory, an array of
// streams, a scratch buffer, a ring() callback and, for busy polling, a clock. The library never waits and never calls
// back otherwise: every call does what can be done now and says what came of it. One thread at a time may use one guest
// and its streams.
//
// The host is not trusted (TRU-1). What it wrote is loaded once, checked against private copies, and only then used.
// What no honest host does gives one of the RW_BAD_* below; the guest then fails as a whole (ERR-5): every later call
// on it and on its streams returns the same status, until rw_guest_attach() begins anew.
//
// A program's life:
//
//   rw_guest_init, rw_guest_bell        the region, and how to ring the host
//   rw_guest_attach                     asks for an epoch; then after each ring of ours:
//   rw_take_pending                     looks at the superblock, takes what is pending: slots of streams to look at
//   rw_prepare_sleep                    1: wait for a ring;  0: take again
//
//   rw_stream_new                       asks for a stream: a slot of the caller's array
//   rw_connect, rw_listen, ...          says what it is for; rw_opened says what the host answered
//   rw_send, rw_recv, rw_frame_*        bytes and frames
//   rw_end, rw_close, rw_reset          half-close; give the stream back; the same, as a TCP RST
//
// RW_AGAIN from any call on a stream means: not now, the host knows that this side waits (RING-9), and the stream's
// slot will come out of rw_take_pending() when it is worth another try. Nothing else need be armed, and no wake-up is
// lost.
//
// For FFI: plain functions, fixed-width integers, no varargs, no bit-fields; struct sizes by rw_guest_bytes() and
// rw_stream_bytes(); ring may be left NULL, and rw_take_rings() asked instead.

#ifndef RINGWAY_H
#define RINGWAY_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RW_API __attribute__((visibility("default")))

#define RW_VERSION_MAJOR 1u
#define RW_VERSION_MINOR 1u

// ── Statuses ────────────────────────────────────────────────────────────────────────────────────────────────────────
//
// Stable numbers. Functions that count return the count, 0 or more; others RW_OK.

enum rw_status {
  RW_OK = 0,

  // Results, not errors (RING-5).
  RW_AGAIN = -1,     // full, empty, or not answered yet: wait for the stream to become pending
  RW_END = -2,       // end of stream: END seen, then the ring seen empty (RING-6)
  RW_CLOSED = -3,    // the host reads no more (RING-7), or this side has closed
  RW_RESET = -4,     // the stream broke: ECONNRESET (RING-8)
  RW_REFUSED = -5,   // the host said no: rw_stream_error() is the errno
  RW_LOST = -6,      // the epoch is over, with every stream of it (ATT-8): attach again
  RW_FAILED = -7,    // the host says that this guest broke the protocol: rw_guest_violation() (ERR-4)

  // The caller's mistakes and limits.
  RW_INVALID = -32,  // an argument that the protocol cannot carry
  RW_STATE = -33,    // the call does not fit the state of the guest or the stream
  RW_TOO_LONG = -34, // larger than the buffer, or than any frame on this ring
  RW_NO_SLOT = -35,  // every stream of the caller's array is in use
  RW_BUSY = -36,     // one request at a time: take the reply to the last one first

  // Violations by the host (ERR-5): -64 minus the number of ERR-4.
  RW_BAD_SUPERBLOCK = -65,
  RW_BAD_POSITION = -66,
  RW_BAD_FLAG = -67,
  RW_BAD_LENGTH = -68,
  RW_BAD_TYPE = -69,
  RW_BAD_PAYLOAD = -70,
  RW_BAD_STATE = -71,
  // Its superblock or a StreamInfo in particular.
  RW_BAD_MAGIC = -80,   // not a Ringway region (SB-2)
  RW_BAD_VERSION = -81, // another major version: rw_guest_host_version() (VER-1)
  RW_BAD_SIZE = -82,    // the region is not all there (SB-2)
  RW_BAD_PLACE = -83,   // a place outside the region, or a capacity that cannot be (TRU-6, PIPE-3)

  // The layer for Linux (ringway-posix.h): the operating system said no.
  RW_SYSTEM = -128,
};

// A name for people: "RW_AGAIN", or "?".
RW_API const char *rw_status_name(int32_t status);

// ── Numbers of the protocol ─────────────────────────────────────────────────────────────────────────────────────────

enum {
  RW_PAGE_BYTES = 4096,
  RW_MAX_STREAM_ID = 32767,
  RW_RING_BYTES_MIN = 4096,
  RW_RING_BYTES_MAX = 16 * 1024 * 1024,
  RW_FRAME_HEADER_BYTES = 12,
  RW_FRAME_PAYLOAD_MAX = 64 * 1024 + 64,
  RW_IO_MAX_BYTES = 64 * 1024,
  RW_PATH_MAX_BYTES = 4095,
  RW_HOST_MAX_BYTES = 253,
  RW_NAME_MAX_BYTES = 255,
  RW_TEXT_MAX_BYTES = 8192,
  RW_LIST_MAX = 4096,
  RW_PING_MAX_BYTES = 64,
};

enum rw_host_state { RW_HOST_ABSENT, RW_HOST_READY, RW_HOST_RESETTING, RW_HOST_DRAINING, RW_HOST_FAILED }; // SB-4

enum rw_protocol { // STR-4
  RW_ECHO = 1,
  RW_TCP_CONNECT = 2,
  RW_TCP_LISTEN = 3,
  RW_FILE = 4,
  RW_FILE_STREAM = 5,
  RW_FS = 6,
  RW_UDP_CONNECT = 7,   // ringway-udp.h
  RW_UDP_BIND = 8,
  RW_RESOLVE = 9,       // ringway-resolve.h
  RW_UNIX_CONNECT = 10, // ringway-unix.h
  RW_UNIX_LISTEN = 11,
  RW_MOUNT = 12, // ringway-mount.h
};

enum rw_type { // section 7, the catalogue
  RW_T_NEW_STREAM = 0x0101,
  RW_T_GET_ARGS = 0x0102,
  RW_T_LOG = 0x0103,
  RW_T_EXIT = 0x0104,
  RW_T_PING = 0x0105,
  RW_T_EXPLAIN = 0x0106,
  RW_T_OPEN = 0x0201,
  RW_T_ACCEPT = 0x0301,
  RW_T_READ = 0x0401,
  RW_T_WRITE = 0x0402,
  RW_T_READ_AT = 0x0403,
  RW_T_WRITE_AT = 0x0404,
  RW_T_SEEK = 0x0405,
  RW_T_FILE_STAT = 0x0406,
  RW_T_TRUNCATE = 0x0407,
  RW_T_SYNC = 0x0408,
  RW_T_CLOSE = 0x0409,
  RW_T_STAT = 0x0601,
  RW_T_LSTAT = 0x0602,
  RW_T_READ_DIR = 0x0603,
  RW_T_MKDIR = 0x0604,
  RW_T_UNLINK = 0x0605,
  RW_T_RMDIR = 0x0606,
  RW_T_RENAME = 0x0607,
  RW_T_SYMLINK = 0x0608,
  RW_T_READLINK = 0x0609,
  RW_T_CHMOD = 0x060a,
  RW_T_UTIMES = 0x060b,
  RW_T_STATFS = 0x060c,
  RW_T_UDP_SEND = 0x0701,
  RW_T_UDP_SEND_TO = 0x0702,
  RW_T_UDP_LOOKUP = 0x0703,
  RW_T_UDP_SET = 0x0704,
  RW_T_UDP_INTERFACE = 0x0705,
  RW_T_UDP_JOIN = 0x0706,
  RW_T_UDP_LEAVE = 0x0707,
  RW_T_RESOLVE = 0x0801,
  RW_T_REVERSE = 0x0802,
  RW_T_UNIX_SEND = 0x0901,
  RW_T_MOUNT_OPEN = 0x0a01,
  RW_T_MOUNT_RELEASE = 0x0a02,
  RW_T_MOUNT_READ = 0x0a03,
  RW_T_MOUNT_WRITE = 0x0a04,
  RW_T_MOUNT_FLUSH = 0x0a05,
  RW_T_MOUNT_FSYNC = 0x0a06,
  RW_T_MOUNT_FALLOCATE = 0x0a07,
  RW_T_MOUNT_COPY_RANGE = 0x0a08,
  RW_T_MOUNT_SEEK = 0x0a09,
  RW_T_MOUNT_LOCK = 0x0a0a,
  RW_T_MOUNT_TEST_LOCK = 0x0a0b,
  RW_T_MOUNT_STAT = 0x0a0c,
  RW_T_MOUNT_SET_ATTR = 0x0a0d,
  RW_T_MOUNT_READ_DIR = 0x0a0e,
  RW_T_MOUNT_READ_DIR_PLUS = 0x0a0f,
  RW_T_MOUNT_MKDIR = 0x0a10,
  RW_T_MOUNT_MKNOD = 0x0a11,
  RW_T_MOUNT_SYMLINK = 0x0a12,
  RW_T_MOUNT_LINK = 0x0a13,
  RW_T_MOUNT_READLINK = 0x0a14,
  RW_T_MOUNT_UNLINK = 0x0a15,
  RW_T_MOUNT_RMDIR = 0x0a16,
  RW_T_MOUNT_RENAME = 0x0a17,
  RW_T_MOUNT_STATFS = 0x0a18,
  RW_T_MOUNT_GET_XATTR = 0x0a19,
  RW_T_MOUNT_SET_XATTR = 0x0a1a,
  RW_T_MOUNT_LIST_XATTR = 0x0a1b,
  RW_T_MOUNT_REMOVE_XATTR = 0x0a1c,
  RW_T_MOUNT_WATCH = 0x0a1d,
  RW_T_MOUNT_UNWATCH = 0x0a1e,
  RW_T_MOUNT_CANCEL = 0x0a20,

  RW_T_ERROR = 0x8001,
  RW_T_DONE = 0x8002,
  RW_T_STAT_REPLY = 0x8003,
  RW_T_STREAM_INFO = 0x8101,
  RW_T_ARGS = 0x8102,
  RW_T_PONG = 0x8105,
  RW_T_VERDICT = 0x8106,
  RW_T_OPENED = 0x8201,
  RW_T_REFUSED = 0x8202,
  RW_T_INCOMING = 0x8301,
  RW_T_DATA = 0x8401,
  RW_T_WRITTEN = 0x8402,
  RW_T_POSITION = 0x8405,
  RW_T_WRITE_DONE = 0x8501,
  RW_T_WRITE_FAILED = 0x8502,
  RW_T_ENTRIES = 0x8603,
  RW_T_TARGET = 0x8609,
  RW_T_STATFS_REPLY = 0x860c,
  RW_T_UDP_RECEIVED = 0x8701,
  RW_T_UDP_RECEIVED_FROM = 0x8702,
  RW_T_UDP_PEER = 0x8703,
  RW_T_UDP_ERROR = 0x8708,
  RW_T_UDP_LOST = 0x8709,
  RW_T_ADDRESSES = 0x8801,
  RW_T_NAMES = 0x8802,
  RW_T_UNIX_RECEIVED = 0x8901,
  RW_T_UNIX_INCOMING = 0x8902,
  RW_T_MOUNT_HANDLE = 0x8a01,
  RW_T_MOUNT_LOCK_FOUND = 0x8a0b,
  RW_T_MOUNT_ATTRIBUTES = 0x8a0c,
  RW_T_MOUNT_NAMES = 0x8a0e,
  RW_T_MOUNT_ENTRIES = 0x8a0f,
  RW_T_MOUNT_XATTRS = 0x8a1b,
  RW_T_MOUNT_WATCHING = 0x8a1d,
  RW_T_MOUNT_EVENT = 0x8a1f,
};

enum rw_file_flag { // FILE-2
  RW_FILE_READ = 1,
  RW_FILE_WRITE = 2,
  RW_FILE_CREATE = 4,
  RW_FILE_EXCLUSIVE = 8,
  RW_FILE_APPEND = 16,
  RW_FILE_TRUNCATE = 32,
};
enum rw_file_kind { RW_KIND_FILE = 1, RW_KIND_DIRECTORY = 2, RW_KIND_SYMLINK = 3, RW_KIND_OTHER = 4 };
enum rw_whence { RW_SEEK_START = 0, RW_SEEK_CURRENT = 1, RW_SEEK_END = 2 };
// For offset and length of a file-stream: all of it (FST-1).
#define RW_ALL_BYTES ((uint64_t)0x1fffffffffffff)

// ── Objects ─────────────────────────────────────────────────────────────────────────────────────────────────────────
//
// The caller gives the memory and the alignment of a pointer; the fields are the library's.

struct rw_guest;

// The guest's end of one ring towards the host: RING-1's producer part lies at `own`, the host's consumer part at
// `other`. Invariant: 0 <= written - read <= capacity (mod 2^32), whatever the region says.
struct rw_producer {
  uint8_t *data;
  uint32_t *own;
  uint32_t *other;
  uint32_t capacity;
  uint32_t written;    // the truth; the region has a copy (RING-2)
  uint32_t read;       // the last checked copy of the host's
  uint32_t want_space; // as it stands in the region
  uint32_t closed;
  uint32_t abandoned;  // the host reads no more
};

// The guest's end of one ring from the host. Invariant: 0 <= written - read <= capacity (mod 2^32).
struct rw_consumer {
  uint8_t *data;
  uint32_t *own;
  uint32_t *other;
  uint32_t capacity;
  uint32_t read;
  uint32_t written;     // the last checked copy of the host's
  uint32_t want_data;
  uint32_t closed;
  uint32_t peer_closed;
  uint32_t ended;       // END was seen, and `written` loaded after it: nothing beyond counts (RING-6)
};

enum rw_stream_state {
  RW_STREAM_FREE,    // the slot is nobody's
  RW_STREAM_ASKED,   // NewStream was sent
  RW_STREAM_FRESH,   // open, nothing sent on it (STR-1)
  RW_STREAM_OPENING, // Open was sent
  RW_STREAM_POSTED,  // given to a listener (LSN-2)
  RW_STREAM_RUNNING, // what the protocol says
  RW_STREAM_REFUSED, // by Refused, or by Error to NewStream
  RW_STREAM_DOOMED,  // closed by its program before StreamInfo came
};

struct rw_stream {
  void *user; // the caller's; the library does not look at it
  struct rw_guest *guest;
  struct rw_producer to_host;
  struct rw_consumer to_guest;
  uint32_t state;
  uint32_t id;
  uint32_t generation;
  uint32_t serial;  // of the attach that it belongs to
  uint32_t request; // id of the NewStream, Open or Accept that has no answer yet
  uint32_t protocol; // of its Open, or of the listener that it was given to; 0 before, and where others write Open
  uint32_t error;   // errno of a refusal
  uint32_t due;     // must come out of rw_take_pending() without a bell
  uint32_t next;    // in the list of free slots, or of those whose NewStream has no answer
  uint32_t chain;   // next slot with the same hash of its id
  uint32_t bucket;  // first slot whose id has this slot's number as its hash
};

enum rw_guest_state {
  RW_GUEST_DETACHED, // never attached, or left
  RW_GUEST_WAITING,  // the attach was asked for
  RW_GUEST_ATTACHED, // the epoch may be used
  RW_GUEST_LOST,     // the epoch is over
  RW_GUEST_BLAMED,   // the host stored FAILED
};

struct rw_guest {
  uint8_t *region;
  uint32_t pages;        // of the region, checked to be there
  uint32_t mapped_pages; // what the caller said; 0 where rw_guest_init() refused the region
  uint32_t max_stream_id;
  uint32_t *bell_to_host;
  uint32_t *bell_to_guest;
  uint32_t control_page, control_to_host_bytes, control_to_guest_bytes;
  void (*ring)(void *context);
  void *ring_context;
  uint32_t (*now_us)(void *context);
  void *clock_context;
  uint32_t rings; // rung while ring was NULL
  uint8_t *scratch;
  uint32_t scratch_bytes;

  uint32_t state;
  int32_t broken;  // a status below 0: the host broke the protocol (ERR-5)
  uint32_t attach_request;
  uint32_t epoch;
  uint32_t serial; // grows with each attach
  uint32_t heartbeat;
  uint32_t asleep; // this side has stored 1 (BELL-5)

  // What was taken of the pending words and not yet given out (BELL-4).
  uint32_t top_bits, middle_bits, leaf_bits, middle_index, leaf_index;

  struct rw_producer requests;
  struct rw_consumer replies;
  uint32_t next_request, next_stream_request;
  uint32_t asked_head, asked_tail; // slots whose NewStream has no answer, in the order asked
  uint32_t ask_request, ask_type;  // the one other request under way; 0 for none
  uint32_t ask_answered;           // its reply is the next frame
  uint32_t control_due, control_full;

  struct rw_stream *streams;
  uint32_t slots, hash_mask, free_head;
  uint32_t any_due;

  uint32_t poll_credit, poll_skipped; // busy polling
};

RW_API uint32_t rw_guest_bytes(void);
RW_API uint32_t rw_stream_bytes(void);
RW_API uint32_t rw_version(void); // major << 16 | minor

// ── The guest ───────────────────────────────────────────────────────────────────────────────────────────────────────

// Takes a region of which `pages` pages are mapped at `region` (aligned to a page), and checks its superblock (SB-2,
// VER-1, TRU-6). `streams` are the slots, at most 32767 of use. `scratch` holds one frame at a time:
// RW_FRAME_PAYLOAD_MAX bytes take any; 128 are the least; reasons and replies that do not fit are dropped, or
// RW_TOO_LONG.
RW_API int32_t rw_guest_init(struct rw_guest *guest, void *region, uint32_t pages, struct rw_stream *streams,
                             uint32_t slots, void *scratch, uint32_t scratch_bytes);
// How to ring the host: must not block (BELL-8). NULL: rings are counted, and rw_take_rings() says whether to ring.
RW_API void rw_guest_bell(struct rw_guest *guest, void (*ring)(void *context), void *context);
RW_API uint32_t rw_take_rings(struct rw_guest *guest);
// A clock of microseconds that may wrap: for rw_busy_poll().
RW_API void rw_guest_clock(struct rw_guest *guest, uint32_t (*now_us)(void *context), void *context);

// Asks for a fresh epoch (ATT-2). Streams of before have ended with RW_LOST; close each to have its slot back.
// RW_BAD_MAGIC or RW_BAD_VERSION, with nothing stored, where another monitor has begun on the region that this guest
// cannot talk to.
RW_API int32_t rw_guest_attach(struct rw_guest *guest);
// Looks at the superblock: after each ring, before anything else (BELL-7). RW_OK attached, RW_AGAIN not answered yet,
// RW_LOST, RW_FAILED, RW_STATE where nobody has asked to attach.
RW_API int32_t rw_poll(struct rw_guest *guest);
// Leaves (ATT-7).
RW_API int32_t rw_guest_detach(struct rw_guest *guest);

RW_API uint32_t rw_guest_state(const struct rw_guest *guest);
RW_API uint32_t rw_guest_epoch(const struct rw_guest *guest);
// Words of the host's as they stand now, for messages to people.
RW_API uint32_t rw_guest_host_state(const struct rw_guest *guest);
RW_API uint32_t rw_guest_violation(const struct rw_guest *guest);
RW_API uint32_t rw_guest_host_version(const void *region);

// ── Pending streams, and sleep ──────────────────────────────────────────────────────────────────────────────────────

// Among slots: the control pipe. A reply waits for rw_control_reply(), there is room again for a request, or a slot is
// free again whose stream was closed before it came.
#define RW_SLOT_CONTROL 0xffffffffu

// rw_poll(), then what is pending: writes up to `most` slots to `slots`; returns how many, or what rw_poll() returned
// where that is not RW_OK. What did not fit comes with the next call. A slot that comes out may have nothing new.
RW_API int32_t rw_take_pending(struct rw_guest *guest, uint32_t *slots, uint32_t most);
// 1: announced (BELL-5), wait for a ring, then rw_take_pending(). 0: something is there already.
RW_API int32_t rw_prepare_sleep(struct rw_guest *guest);
// One load: is something pending?
RW_API int32_t rw_pending(struct rw_guest *guest);
// Looks at the pending words for up to `us` microseconds before a sleep (BELL-9): 1 where something came. Looks less
// often while it seldom pays. 0 without a clock.
RW_API int32_t rw_busy_poll(struct rw_guest *guest, uint32_t us);

// ── Control pipe (section 9) ────────────────────────────────────────────────────────────────────────────────────────

// These wait for no reply: RW_OK, or RW_AGAIN while the ring is full.
RW_API int32_t rw_log(struct rw_guest *guest, uint32_t level, const void *text, uint32_t text_bytes);
RW_API int32_t rw_exit(struct rw_guest *guest, uint32_t code);
// These have one, which rw_control_reply() gives; one at a time.
RW_API int32_t rw_get_args(struct rw_guest *guest);
RW_API int32_t rw_ping(struct rw_guest *guest, const void *data, uint32_t bytes);
RW_API int32_t rw_explain(struct rw_guest *guest, uint32_t protocol, const void *body, uint32_t body_bytes);

struct rw_frame {
  uint32_t type;
  uint32_t request;
  uint32_t bytes; // of the payload, also where it did not fit
  const uint8_t *payload; // a private copy, good until the buffer is used again
};

// The reply, in `buffer` or, where that is NULL, in the scratch. RW_TOO_LONG leaves it where it is.
RW_API int32_t rw_control_reply(struct rw_guest *guest, struct rw_frame *frame, void *buffer, uint32_t buffer_bytes);

// ── Streams (section 10) ────────────────────────────────────────────────────────────────────────────────────────────

// Asks for a stream of about these capacities, 0 for the host's default. Returns its slot: rw_stream_at(). Each stream,
// whatever becomes of it, must be given back with rw_close() or rw_reset().
RW_API int32_t rw_stream_new(struct rw_guest *guest, uint32_t to_host_bytes, uint32_t to_guest_bytes);
RW_API struct rw_stream *rw_stream_at(struct rw_guest *guest, uint32_t slot);

RW_API uint32_t rw_stream_slot(const struct rw_stream *stream);
RW_API uint32_t rw_stream_state(const struct rw_stream *stream);
RW_API uint32_t rw_stream_id(const struct rw_stream *stream);
RW_API uint32_t rw_stream_generation(const struct rw_stream *stream);
RW_API uint32_t rw_stream_error(const struct rw_stream *stream); // Linux errno of a refusal, or 0
// Id of the NewStream, Open or Accept that was sent last.
RW_API uint32_t rw_stream_request(const struct rw_stream *stream);
RW_API uint32_t rw_stream_to_host_bytes(const struct rw_stream *stream);
RW_API uint32_t rw_stream_to_guest_bytes(const struct rw_stream *stream);

// Open, of what it says. RW_AGAIN until StreamInfo has come; RW_REFUSED where the host gave no stream.
struct rw_inet {
  uint32_t family; // 4 or 6
  uint32_t port;
  uint8_t address[16]; // network order; IPv4 in the first four, zeros after
};
RW_API int32_t rw_echo(struct rw_stream *stream);
RW_API int32_t rw_connect(struct rw_stream *stream, const void *host, uint32_t host_bytes, uint32_t port,
                          uint32_t timeout_ms);
RW_API int32_t rw_listen(struct rw_stream *stream, const struct rw_inet *address, uint32_t backlog);
RW_API int32_t rw_file(struct rw_stream *stream, uint32_t flags, uint32_t mode, const void *path, uint32_t path_bytes);
RW_API int32_t rw_file_stream(struct rw_stream *stream, uint32_t flags, uint32_t mode, uint64_t offset, uint64_t length,
                              const void *path, uint32_t path_bytes);
RW_API int32_t rw_fs(struct rw_stream *stream);
RW_API int32_t rw_open(struct rw_stream *stream, uint32_t protocol, const void *body, uint32_t body_bytes);
// For who hands the bytes of others through: they write Open themselves, and read what the host answers. The stream is
// RUNNING, and carries raw bytes from the first one on.
RW_API int32_t rw_stream_raw(struct rw_stream *stream);

// Gives `stream` to `listener`, a stream on which rw_listen() or rw_unix_listen() was opened (LSN-2). An Error on the
// listener with the request id of rw_stream_request() says that it was not taken: rw_accept_failed() makes it FRESH
// again.
RW_API int32_t rw_accept(struct rw_stream *listener, struct rw_stream *stream);
RW_API int32_t rw_accept_failed(struct rw_stream *stream);

// The host's first frame: RW_OK and Opened, or Incoming (UnixIncoming) on a stream that was given to a listener;
// RW_REFUSED and Refused. `answer` may be NULL. The payload is in `buffer`, or in the scratch; one that does not fit is
// dropped, with payload NULL.
RW_API int32_t rw_opened(struct rw_stream *stream, struct rw_frame *answer, void *buffer, uint32_t buffer_bytes);

// Raw bytes. Counts above 0, or RW_AGAIN, RW_END, RW_CLOSED, RW_RESET, ... rw_send() may be used as soon as Open is
// sent (STR-3).
RW_API int32_t rw_send(struct rw_stream *stream, const void *bytes, uint32_t count);
RW_API int32_t rw_recv(struct rw_stream *stream, void *bytes, uint32_t count);
// Without a copy: how many bytes lie in one piece at *at; then say how many of these were used. The host may change
// what is there at any time: look at it once, or copy first.
RW_API int32_t rw_send_span(struct rw_stream *stream, void **at);
RW_API int32_t rw_send_commit(struct rw_stream *stream, uint32_t count);
RW_API int32_t rw_recv_span(struct rw_stream *stream, void **at);
RW_API int32_t rw_recv_commit(struct rw_stream *stream, uint32_t count);
// For who cannot take the bytes that lie there: RW_RESET where they need not be taken any more (RING-8), else RW_OK.
RW_API int32_t rw_recv_check(struct rw_stream *stream);
// For who has nothing to send: RW_CLOSED or RW_RESET where the host would not take it (RING-7), else RW_OK.
RW_API int32_t rw_send_check(struct rw_stream *stream);
// How many bytes that were sent the host has neither taken nor declined. The stream is pending once there are none:
// then RESET, which may drop them (RING-8), drops nothing.
RW_API int32_t rw_unsent(struct rw_stream *stream);
// While this side could not take bytes anyway the host need not wake it: withdraws what rw_recv() armed. The next
// RW_AGAIN arms it again.
RW_API int32_t rw_recv_pause(struct rw_stream *stream);

// Frames, on streams whose protocol has them (section 7). Returns a request id above 0, or RW_AGAIN with nothing sent.
RW_API int32_t rw_request(struct rw_stream *stream, uint32_t type, const void *payload, uint32_t bytes);
// The same with a payload in two parts: the fields, then data that need not be copied together.
RW_API int32_t rw_request_with(struct rw_stream *stream, uint32_t type, const void *fields, uint32_t fields_bytes,
                               const void *data, uint32_t data_bytes);
// A message that nobody answers, of those that have request id 0 (UDP-4): RW_OK, or RW_AGAIN with nothing sent.
RW_API int32_t rw_tell(struct rw_stream *stream, uint32_t type, const void *fields, uint32_t fields_bytes,
                       const void *data, uint32_t data_bytes);
// The next frame, whole, in `buffer` or, where that is NULL, in the scratch. Messages that nobody asked for and nobody
// knows are skipped (FRM-7). RW_TOO_LONG leaves it where it is, with frame->bytes saying how much it needs.
RW_API int32_t rw_frame_next(struct rw_stream *stream, struct rw_frame *frame, void *buffer, uint32_t buffer_bytes);

// Half-close: no byte follows (RING-6).
RW_API int32_t rw_end(struct rw_stream *stream);
// Reads no more (RING-7).
RW_API int32_t rw_stop(struct rw_stream *stream);
// Both, and the slot is free: the stream must not be used again (STR-7). What was sent still goes out.
RW_API int32_t rw_close(struct rw_stream *stream);
// The same, as a TCP RST.
RW_API int32_t rw_reset(struct rw_stream *stream);

// ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────────────
//
// Encoders write a payload to `to` and return its bytes, RW_TOO_LONG, or RW_INVALID for what the wire cannot carry.
// Decoders take a whole payload and return RW_OK or RW_BAD_PAYLOAD: every byte accounted for, every bound checked
// (FRM-6). A text points into the payload; it is UTF-8 without NUL, and nothing ends it.

struct rw_text {
  const uint8_t *bytes;
  uint32_t length;
};
// The same of any bytes.
struct rw_bytes {
  const uint8_t *bytes;
  uint32_t length;
};

// Section 9.
RW_API int32_t rw_encode_new_stream(uint8_t *to, uint32_t room, uint32_t to_host_bytes, uint32_t to_guest_bytes);
RW_API int32_t rw_encode_log(uint8_t *to, uint32_t room, uint32_t level, const void *text, uint32_t text_bytes);
RW_API int32_t rw_encode_exit(uint8_t *to, uint32_t room, uint32_t code);
RW_API int32_t rw_encode_ping(uint8_t *to, uint32_t room, const void *data, uint32_t bytes);
// Explain and Open have the same fields.
RW_API int32_t rw_encode_open(uint8_t *to, uint32_t room, uint32_t protocol, const void *body, uint32_t body_bytes);
// Bodies of Open.
RW_API int32_t rw_encode_connect(uint8_t *to, uint32_t room, uint32_t port, uint32_t timeout_ms, const void *host,
                                 uint32_t host_bytes);
RW_API int32_t rw_encode_listen(uint8_t *to, uint32_t room, uint32_t backlog, const struct rw_inet *address);
RW_API int32_t rw_encode_file(uint8_t *to, uint32_t room, uint32_t flags, uint32_t mode, const void *path,
                              uint32_t path_bytes);
RW_API int32_t rw_encode_file_stream(uint8_t *to, uint32_t room, uint32_t direction, uint32_t flags, uint32_t mode,
                                     uint64_t offset, uint64_t length, const void *path, uint32_t path_bytes);
// Sections 12 and 13. Write's payload is the data itself; FileStat, Close and GetArgs have none.
RW_API int32_t rw_encode_accept(uint8_t *to, uint32_t room, uint32_t id, uint32_t generation);
RW_API int32_t rw_encode_read(uint8_t *to, uint32_t room, uint32_t bytes);
RW_API int32_t rw_encode_read_at(uint8_t *to, uint32_t room, uint64_t offset, uint32_t bytes);
RW_API int32_t rw_encode_write_at(uint8_t *to, uint32_t room, uint64_t offset); // the data follow: rw_request_with()
RW_API int32_t rw_encode_seek(uint8_t *to, uint32_t room, uint32_t whence, int64_t offset);
RW_API int32_t rw_encode_truncate(uint8_t *to, uint32_t room, uint64_t bytes);
RW_API int32_t rw_encode_sync(uint8_t *to, uint32_t room, uint32_t data_only);
// Section 15. Stat, Lstat, ReadDir, Unlink, Rmdir, Readlink, Statfs have a path and nothing else.
struct rw_time {
  int64_t seconds;
  uint32_t nanoseconds;
  uint32_t reserved;
};
RW_API int32_t rw_encode_path(uint8_t *to, uint32_t room, const void *path, uint32_t path_bytes);
RW_API int32_t rw_encode_mkdir(uint8_t *to, uint32_t room, uint32_t mode, uint32_t parents, const void *path,
                               uint32_t path_bytes);
// Rename {from, to} and Symlink {target, path}.
RW_API int32_t rw_encode_two_paths(uint8_t *to, uint32_t room, const void *first, uint32_t first_bytes,
                                   const void *second, uint32_t second_bytes);
RW_API int32_t rw_encode_chmod(uint8_t *to, uint32_t room, uint32_t mode, const void *path, uint32_t path_bytes);
RW_API int32_t rw_encode_utimes(uint8_t *to, uint32_t room, const struct rw_time *accessed,
                                const struct rw_time *modified, const void *path, uint32_t path_bytes);
// UdpInterface and Reverse have an address and nothing else; the others of version 1.1 stand in headers of their own.
RW_API int32_t rw_encode_inet(uint8_t *to, uint32_t room, const struct rw_inet *inet);

// Error and Refused (MSG-1, STR-2).
struct rw_error {
  uint32_t error; // Linux errno (ERR-2)
  uint32_t reserved;
  struct rw_text rule, reason;
};
struct rw_stat { // MSG-3
  uint32_t kind, mode, links, uid, gid, reserved;
  uint64_t inode, size, blocks;
  struct rw_time accessed, modified, changed;
};
struct rw_stream_info { // CTL-3
  uint32_t id, generation, page, to_host_bytes, to_guest_bytes;
};
struct rw_verdict { // CTL-7
  uint32_t allowed, reserved;
  struct rw_text rule, reason;
};
struct rw_endpoints { // TCP-3, LSN-3
  struct rw_inet local, peer;
};
struct rw_write_failed { // FST-4
  uint64_t bytes;
  struct rw_error error;
};
struct rw_statfs { // FS-7
  uint64_t blocks, blocks_free, blocks_available, files, files_free;
  uint32_t block_bytes, name_max_bytes;
};
RW_API int32_t rw_decode_empty(const uint8_t *from, uint32_t bytes); // Done
RW_API int32_t rw_decode_error(const uint8_t *from, uint32_t bytes, struct rw_error *to);
RW_API int32_t rw_decode_stat(const uint8_t *from, uint32_t bytes, struct rw_stat *to); // also Opened of file
RW_API int32_t rw_decode_stream_info(const uint8_t *from, uint32_t bytes, struct rw_stream_info *to);
RW_API int32_t rw_decode_verdict(const uint8_t *from, uint32_t bytes, struct rw_verdict *to);
RW_API int32_t rw_decode_endpoints(const uint8_t *from, uint32_t bytes, struct rw_endpoints *to); // Opened, Incoming
RW_API int32_t rw_decode_bound(const uint8_t *from, uint32_t bytes, struct rw_inet *to); // Opened of tcp-listen
RW_API int32_t rw_decode_file_stream(const uint8_t *from, uint32_t bytes, uint64_t *length, struct rw_stat *to);
RW_API int32_t rw_decode_u32(const uint8_t *from, uint32_t bytes, uint32_t *to); // Written
RW_API int32_t rw_decode_u64(const uint8_t *from, uint32_t bytes, uint64_t *to); // Position, WriteDone
RW_API int32_t rw_decode_write_failed(const uint8_t *from, uint32_t bytes, struct rw_write_failed *to);
RW_API int32_t rw_decode_target(const uint8_t *from, uint32_t bytes, struct rw_text *to);
RW_API int32_t rw_decode_statfs(const uint8_t *from, uint32_t bytes, struct rw_statfs *to);

// Lists are checked whole, then walked: the decoder, then rw_next_* while it returns 1.
struct rw_list {
  const uint8_t *from; // the next item
  uint32_t bytes;      // left of the payload
  uint32_t items;      // left
};
struct rw_entry {
  uint32_t kind, reserved;
  struct rw_text name;
};
RW_API int32_t rw_decode_args(const uint8_t *from, uint32_t bytes, struct rw_list *argv, struct rw_list *env);
RW_API int32_t rw_next_text(struct rw_list *list, struct rw_text *text);
RW_API int32_t rw_decode_entries(const uint8_t *from, uint32_t bytes, uint32_t *more, uint32_t *skipped,
                                 struct rw_list *entries);
RW_API int32_t rw_next_entry(struct rw_list *list, struct rw_entry *entry);

// 1 where all of it is UTF-8 (RFC 3629) without NUL.
RW_API int32_t rw_is_text(const void *bytes, uint32_t count);

#ifdef __cplusplus
}
#endif

#endif
