// BREAKING: the program has broken its connection.
//
// Who breaks a connection takes back nothing of what it has said: its peer reads that, and then finds that it broke
// (TCP-4). So RESET follows the bytes: it is sent when the host has taken what was in the socket and the ring. A host
// that takes nothing for STANDSTILL_MS gets RESET all the same, as a peer that does not read gets a RST.

#include "break.h"

#include "end.h"
#include "local.h"
#include "pump.h"

void break_begin(struct conn *conn) {
  if ((conn->flags & OUT_DONE) && (conn->flags & DROPPING)) { // nor does the host want to know more
    conn_drop(conn, RESET);
    return;
  }
  // Else it would be the second closed word, and no RESET could follow (STR-7).
  if (!(conn->flags & OUT_DONE)) pump_stop_host(conn);
  conn->state = BREAKING;
  conn->unsent = UINT32_MAX;
  conn->flags |= READABLE;
  break_look(conn); // its first
  if (conn->state == BREAKING) break_step(conn);
}

void break_step(struct conn *conn) {
  int32_t status = RW_OK;
  enum turn out = conn->fd >= 0 && !(conn->flags & OUT_DONE) ? pump_to_host(conn, &status) : GONE;
  if (out == BROKE) {
    conn_broke(conn, status);
  } else if (out == MORE) {
    conn_wake(conn);
  } else if (out == WAITS && (conn->flags & OUT_DONE)) { // it had ended in order
    conn_drop(conn, CLOSE);
  } else if (out != WAITS || !(conn->flags & READABLE)) { // else the ring is full
    local_close(conn);
    status = rw_unsent(conn->stream);
    if (status < 0) conn_broke(conn, status);
    else if (status == 0) conn_drop(conn, RESET);
  }
}

void break_look(struct conn *conn) {
  int32_t unsent = rw_unsent(conn->stream);
  uint32_t left = unsent < 0 ? 0 : (uint32_t)unsent + local_unread(conn);
  if (unsent < 0) {
    conn_broke(conn, unsent);
  } else if (left == conn->unsent) {
    conn_drop(conn, RESET);
  } else {
    conn->unsent = left;
    conn_deadline(conn, STANDSTILL_MS);
  }
}
