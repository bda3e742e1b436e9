// Has the program called close(), or only shutdown(SHUT_WR)?
//
// Both send a FIN and nothing else, and the second waits for the answer of a server that may take its time. After the
// first the answer is for nobody: a connection whose server does not end either would keep its stream until the program's
// kernel forgets it, a minute and a half later. The kernel knows (diag.c): no descriptor names the socket any more. Where
// it does not tell, it is waited for as before.
//
// FIN may come before the descriptor is gone, in the midst of close(): so it is asked a little later, and less and less
// often.

#include "agent.h"

enum { STATE_FIN_WAIT1 = 4, STATE_FIN_WAIT2 = 5 };

int gone_is_closed(const struct conn *conn) {
  struct far_end end;
  if (local_is_unix(conn) || !diag_ask(conn->fd, &end)) return 0;
  return (end.state == STATE_FIN_WAIT1 || end.state == STATE_FIN_WAIT2) && end.inode == 0;
}
