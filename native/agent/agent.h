// The agent in the guest: programs that know nothing of Ringway talk to its sockets, and it talks to the host.
//
//   program ── SOCKS5, HTTP, --forward, service socket ──▶ connection ── stream ──▶ host
//   program ── connect() anywhere, by --transparent ─────▶ connection ── stream ──▶ host
//   program ── datagrams anywhere, by --transparent ─────▶ flow: a connection ── udp stream ──▶ host
//   program ── port 53 ──▶ questions ── one stream ──▶ host
//   program ── a mounted folder, by --mount ──▶ requests ── one stream for each mount ──▶ host
//   program ◀── connect() ── connection ◀── posted accept ── --publish's listener ◀── host
//
// One thread, one epoll, one table of connections, allocated once. A connection is a descriptor of this side, a stream
// of the other, or one of them while the other is on its way. Bytes wait in the kernel's buffers or in the rings,
// nowhere else:
//
// - What a program says first (a SOCKS request, the head of an HTTP request, an Open) is looked at with MSG_PEEK and
//   stays in the kernel until the host has answered. It is parsed again when it is needed, so nothing of it is kept
//   here; bytes behind it are found where they were.
// - After that, recv() goes straight into the ring and send() straight out of it.
//
// Descriptors are watched edge-triggered, once and for all. READABLE and WRITABLE say what is known of one: true until
// a call says EAGAIN. What may have work to do stands in the run queue, and gets one turn of bounded length for each
// round of the loop.
//
// ── The rooms ───────────────────────────────────────────────────────────────────────────────────────────────────────
//
// A file calls only those that stand behind it, in its line or below. What must go upwards is a pointer that was handed
// down (a front's functions, a turn for table_run()), or a status that is noted (host_lost()).
//
//   main.c, loop.c           the program; one round after the other
//   look.c                   looking for work before sleeping
//   turn.c                   which file has a connection's state
//   link.c                   the host comes and goes: DOWN, ATTACHING, UP
//   fronts.c                 the table of fronts
//   socks.c, http.c, forward.c, service.c, transparent.c, datagrams.c, resolver.c, auto.c, publish.c,
//   fuse.c                   a front each
//   fuse-serve.c, fuse-watch.c, fuse-names.c, fuse-moves.c, fuse-status.c, fuse-xattrs.c, fuse-files.c, fuse-data.c,
//   fuse-ranges.c, fuse-folders.c, fuse-locks.c, fuse-ahead.c, fuse-replies.c, fuse-ways.c, fuse-ops.c, fuse-opens.c,
//   fuse-nodes.c, fuse-missing.c, fuse-attributes.c, fuse-points.c,
//   fuse-device.c            the mounts of --mount: that front has their map
//   answer.c, head.c, body.c, upgrade.c                  what HTTP is
//   listen.c                 sockets that programs connect to, and accept()
//   associate.c, socks5.c    SOCKS5 for datagrams; its addresses
//   udp.c                    flows of datagrams and their streams
//   begin.c                  HANDSHAKE to OPENING: from a wish to an open stream
//   carry.c, break.c         CARRYING; BREAKING
//   pump.c                   bytes between the socket and the rings
//   reply.c                  answers of the resolver
//   end.c                    LEAVING, PARTING, FREE: every way to an end
//   streams.c                the stream of a connection: asked for, given back
//   gone.c, room.c           has a program closed its socket?; who may have a connection
//   local.c, refusal.c       the socket of a connection; what was refused, for people
//   ports.c                  the table of published ports
//   syn.c, flows.c, queries.c    SYNs, datagrams and questions that wait for the host
//   target.c                 whom a program of --transparent asks for, and what it is told
//   dns.c, names.c           what DNS is; addresses that stand for names
//   network.c, packet.c      --transparent takes the network over; packets off lo and onto it
//   nftables.c, expressions.c, routes.c, netlink.c    what it has the kernel do
//   host.c, table.c          what is known of the host; connections
//   shortage.c, silence.c    the log of a shortage; of a monitor that answers nothing
//   peer.c                   which program it is
//   watch.c, diag.c, inet.c  epoll; the kernel's word on a socket; addresses
//   options.c                the command line
//
// Headers alone: limits.h has every number that bounds something, errors.h those of errors in frames, text.h puts a
// text together, ends.h hashes two ends.
//
// ── The walk of a connection ────────────────────────────────────────────────────────────────────────────────────────
//
// Each file once, but for the front, which is asked three times:
//
//   listen.c  accept() ─▶ begin.c  shake ─▶ FRONT.shake ─▶ begin.c  wish, ask, open ─▶ FRONT.open
//             ─▶ begin.c  the answer ─▶ FRONT.opened ─▶ carry.c, pump.c ─▶ [break.c] ─▶ end.c
//
// ── How a front is added ────────────────────────────────────────────────────────────────────────────────────────────
//
// 1. A file of its own, NAME.c, with one `const struct front NAME_front` at its end; a line in front.h and in fronts.c,
//    its option in options.c, its numbers in limits.h, its name in the Makefile. Nothing else names it.
// 2. `listen` makes its sockets, with listen_tcp() or listen_unix(). Where no program connect()s (held SYNs, datagrams,
//    a mounted file system) its descriptor waits among the others of listen.c all the same, by listen_own(); `come`
//    then makes a connection of what has come.
// 3. A connection keeps what it must in `own` (OWN_BYTES); else it is read again from the socket.
// 4. `open` sends Open. `opened` says so to the program and calls carry_begin() where raw bytes follow; what is no
//    byte stream (datagrams, requests and replies) sets its state to OWN instead, and `step` does the rest, in turns of
//    bounded length (limits.h). `refused` tells the program, with end_with() or conn_drop().
// 5. `ended` where it counts its connections. Every path to an end is end.c's: a front closes nothing itself.

#ifndef RINGWAY_AGENT_AGENT_H
#define RINGWAY_AGENT_AGENT_H

#include "limits.h"
#include "options.h"
#include "../tools/say.h"

#endif
