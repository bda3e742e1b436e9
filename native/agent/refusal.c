// What the policy refused, for people: one line in the agent's log. A program is told by a number (SOCKS), or by what
// most programs do not show (the answer to CONNECT), and then says "connection failed" alone.
//
//   ringway-agent: SOCKS5 to intranet:80, for curl (pid 71): Permission denied: ... (rule default)
//
// A program that asks for ever must not fill the log, nor keep the agent busy with looking for it: each second has a
// few lines and about 10 ms of search. How many lines were left out stands before the next one.

#include "refusal.h"

#include "agent.h"
#include "errors.h"
#include "front.h"
#include "peer.h"
#include "watch.h"

static int64_t window_ms; // its begin
static uint32_t lines, links, untold; // what is left in this window; and what was left out

static int may_say(void) {
  int64_t now = rw_posix_now_ms();
  if (window_ms == 0 || now - window_ms >= REFUSALS_MS) window_ms = now, lines = REFUSALS_MAX, links = LINKS_MAX;
  if (lines > 0) {
    lines--;
    return 1;
  }
  untold++;
  return 0;
}

static int by_policy(const struct rw_error *error) {
  return error->rule.length > 0 || error->error == LINUX_EACCES || error->error == LINUX_EPERM;
}

static void say_untold(void) {
  if (untold == 0) return;
  say_begin();
  say_number(untold);
  say(untold == 1 ? " refusal was not told" : " refusals were not told");
  say_end();
  untold = 0;
}

void refusal_say_for(const char *front, struct rw_text to, const struct rw_error *error,
                     uint32_t (*inode_of)(const void *of), const void *of) {
  struct peer peer;
  if (!by_policy(error) || !may_say()) return;
  say_untold();
  say_begin();
  say(front);
  say(" to ");
  say_text(to);
  if (peer_find(links > 0 ? inode_of(of) : 0, &links, &peer)) {
    say(", for ");
    say_text((struct rw_text){(const uint8_t *)peer.name, peer.name_bytes});
    say(" (pid ");
    say_number(peer.pid);
    say(")");
  }
  say(": ");
  say_error(error);
  say_end();
}

static uint32_t inode_of_conn(const void *of) {
  struct conn *conn = conn_at(conn_index(of));
  struct far_end end = {.inode = 0};
  if (conn->fd >= 0) return diag_ask(conn->fd, &end) ? end.inode : 0;
  return conn->front->far_end && conn->front->far_end(conn, &end) == FAR_THERE ? end.inode : 0;
}

void refusal_say(struct conn *conn, struct rw_text to, const struct rw_error *error) {
  refusal_say_for(conn->front->name, to, error, inode_of_conn, conn);
}
