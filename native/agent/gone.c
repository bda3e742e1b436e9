// Has the program called close(), or only shutdown(SHUT_WR)?
//
// Both send a FIN and nothing else, and the second waits for the answer of a server that may take its time. After the
// first the answer is for nobody: a connection whose server does not end either would keep its stream until the
// program's kernel forgets it, a minute and a half later. The kernel knows (diag.c): no descriptor names the socket any
// more. Where it does not tell, it is waited for as before. Of a program whose connection has no descriptor yet it
// knows as well whether that still tries to connect.
//
// FIN may come before the descriptor is gone, in the midst of close(): so it is asked a little later, and less and less
// often.

#include "gone.h"

#include "front.h"

enum { STATE_FIN_WAIT1 = 4, STATE_FIN_WAIT2 = 5 };

void gone_watch(struct conn *conn) {
  conn->look_ms = LOOK_MS_MIN;
  conn_deadline(conn, conn->look_ms);
}

static int is_closed(struct conn *conn) {
  struct far_end end;
  if (conn->fd < 0) return conn->front->far_end && conn->front->far_end(conn, &end) == FAR_GONE;
  if ((conn->flags & UNIX) || !diag_ask(conn->fd, &end)) return 0;
  return (end.state == STATE_FIN_WAIT1 || end.state == STATE_FIN_WAIT2) && end.inode == 0;
}

int gone_look(struct conn *conn) {
  if (is_closed(conn)) return 1;
  if (conn->look_ms < LOOK_MS_MAX) conn->look_ms *= 2;
  conn_deadline(conn, conn->look_ms);
  return 0;
}
