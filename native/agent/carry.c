// CARRYING: bytes both ways (pump.c), until both have ended. Then the stream is closed, the descriptor as well.
//
//   the program ends            the host has END, and the answer is waited for
//   and has closed, see gone.c  rw_close(): the answer is for nobody
//   the program resets (RST)    BREAKING: break.c
//   the host breaks it          LEAVING: end.c
//   all is said (BOUNDED)       nothing more is passed on; the program has a RST if it says more

#include "carry.h"

#include "break.h"
#include "end.h"
#include "front.h"
#include "gone.h"
#include "pump.h"

void carry_begin(struct conn *conn) {
  conn->state = CARRYING;
  conn_deadline(conn, 0);
  conn_wake(conn);
}

// The program's end has gone to the host, whose own has not come; or it stands behind bytes that wait for an answer.
static int half_closed(struct conn *conn) {
  if (conn->flags & UNIX) return 0;
  if ((conn->flags & (RDHUP | IN_DONE | STOPPED)) != RDHUP) return 0;
  if (conn->flags & OUT_DONE) return 1;
  return (conn->flags & FOLLOWED) && (conn->flags & BOUNDED) && conn->front->framing->is_whole(conn);
}

void carry_step(struct conn *conn) {
  int32_t status = RW_OK;
  if (conn->flags & BROKEN) {
    break_begin(conn);
    return;
  }
  enum turn out = pump_to_host(conn, &status);
  enum turn in = out == BROKE || out == GONE ? out : pump_to_program(conn, &status);
  if (in == GONE) {
    break_begin(conn);
    return;
  }
  if (in == BROKE) {
    conn_broke(conn, status);
    return;
  }
  if (out == TOO_MUCH && in == WAITS && !(conn->flags & IN_DONE)) {
    stream_leave(conn, CLOSE); // the server gets its request whole
    conn_drop(conn, RESET);
    return;
  }
  int over = conn->flags & (IN_DONE | STOPPED) || ((conn->flags & UNIX) && (conn->flags & HUP));
  // The peer has ended, and broken it since: so does the program find it.
  if ((conn->flags & DROPPING) && (conn->flags & IN_DONE)) conn_broke(conn, RW_RESET);
  else if ((conn->flags & OUT_DONE) && over) conn_drop(conn, CLOSE);
  else if (out == MORE || out == TOO_MUCH || in == MORE) conn_wake(conn);
  else if (half_closed(conn) && conn->deadline_ms == 0) gone_watch(conn);
}

// The answer is for nobody where the program has closed its socket: to the host, too, it is close() then (TCP-5).
void carry_look(struct conn *conn) {
  if (half_closed(conn) && gone_look(conn)) conn_drop(conn, CLOSE);
}
