// A small layer over ringway.h for programs on Linux: where the region and the bells come from, and waiting with
// poll(2).
//
//   rw_posix_attach_socket   a process: the monitor's Unix socket hands over a memfd and two eventfds (section 21)
//   rw_posix_attach_file     a virtual machine: a file or device to map, and a byte channel as the bell (BELL-8)
//
// After either the guest is attached, and the program loops:
//
//   while ((n = rw_recv(stream, buffer, sizeof buffer)) == RW_AGAIN)
//     if ((n = rw_posix_wait(&posix, NULL, 0, -1)) < 0) break;
//
// Functions return an rw_status; with RW_SYSTEM, posix->error is the errno and posix->what says of what.

#ifndef RINGWAY_POSIX_H
#define RINGWAY_POSIX_H

#include <poll.h>
#include <stddef.h>

#include "ringway.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { RW_POSIX_FDS_MAX = 16, RW_POSIX_SLOTS = 64 };

struct rw_posix {
  struct rw_guest guest;
  int socket;  // the attach socket, whose hang-up says that the monitor is gone (HEL-4); or -1
  int bell;    // readable when we were rung: an eventfd, or the byte channel
  int to_host; // written to ring: an eventfd, or the byte channel
  int is_channel;
  int is_device; // a channel that is not a socket: it stays open when the host's end hangs up
  int is_tty;    // a channel that does not tell when the host hangs up
  int unrung;    // the device took no byte: nobody is at its other end, or it is full; ring again before long
  void *region;
  size_t region_bytes;
  uint32_t busy_poll_us; // 0: sleep at once
  int more;              // the bell was not emptied by rw_posix_heard(): call it again, nothing else will say so
  int gone;              // the liveness signal said so (ATT-9)
  int error;
  const char *what;
  int absent; // no monitor listens at the path that `what` is: error is ENOENT or ECONNREFUSED
  uint32_t ready[RW_POSIX_SLOTS]; // slots that the last rw_posix_wait() found, posix->count of them
  uint32_t count;
  uint8_t scratch[RW_FRAME_PAYLOAD_MAX];
};

// `streams`: the slots, which the caller keeps for as long as the guest lives. Both wait up to `timeout_ms` (-1: for
// ever) until the guest is attached; what they opened is closed again where they fail.
RW_API int32_t rw_posix_attach_socket(struct rw_posix *posix, const char *path, struct rw_stream *streams,
                                      uint32_t slots, int timeout_ms);
// The channel is a character device (/dev/virtio-ports/...), or the path of a Unix stream socket.
RW_API int32_t rw_posix_attach_file(struct rw_posix *posix, const char *region, const char *channel,
                                    struct rw_stream *streams, uint32_t slots, int timeout_ms);

// The same in steps, for a program that waits by itself:
//
//   rw_posix_open_*    the memory and the bell; nothing is asked of the host yet
//   rw_posix_begin     asks to be attached, at first and after an epoch was lost; then rw_poll() until it is not
//                      RW_AGAIN. RW_BAD_MAGIC: no monitor has been there yet; try again later
//   rw_posix_heard     after posix->bell or posix->socket was readable: empties the bell; posix->gone where the host
//                      hung up
//   rw_posix_ring      rings the host whatever it says, for a bell that may have been lost
//   rw_posix_close     lets go of memory and descriptors
RW_API int32_t rw_posix_open_socket(struct rw_posix *posix, const char *path, int timeout_ms);
RW_API int32_t rw_posix_open_file(struct rw_posix *posix, const char *region, const char *channel);
RW_API int32_t rw_posix_begin(struct rw_posix *posix, struct rw_stream *streams, uint32_t slots);
RW_API void rw_posix_heard(struct rw_posix *posix);
RW_API void rw_posix_ring(struct rw_posix *posix);
RW_API void rw_posix_close(struct rw_posix *posix);

// In a virtual machine: the path that maps the memory of its ivshmem device, and the virtio port of this name. 1 where
// there is one.
#define RW_POSIX_PORT_NAME "org.ringway.doorbell"
RW_API int rw_posix_find_region(char *path, size_t path_bytes);
RW_API int rw_posix_find_port(const char *name, char *path, size_t path_bytes);

// Waits until streams are pending, one of the caller's `fds` is ready, or the time is over (-1: for ever). Returns how
// many slots it wrote to posix->ready; 0 for the time, or for `fds` alone; below 0 what rw_poll() says, or RW_LOST when
// the host hung up.
RW_API int32_t rw_posix_wait(struct rw_posix *posix, struct pollfd *fds, uint32_t count, int timeout_ms);

// Leaves, and lets go of memory and descriptors. What was ended before goes out.
RW_API void rw_posix_detach(struct rw_posix *posix);

// The clock of all that waits here: it never goes back.
RW_API int64_t rw_posix_now_ms(void);

// Bytes of struct rw_posix, for FFI.
RW_API uint32_t rw_posix_bytes(void);

#ifdef __cplusplus
}
#endif

#endif
