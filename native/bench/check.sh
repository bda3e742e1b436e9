#!/bin/sh
# Byte-exact checks of the benchmarks' own C against each other, and of a monitor where its socket is given; its policy
# lets the guest have 127.0.0.1 by TCP and UDP:
#
#   ./check.sh OUT-DIR [ATTACH-SOCKET [GUEST-PATH-OF-A-FILE]]
#
# Every step has a time limit: a hang is a failure.

set -eu
out=$1
attach=${2-}
work=$(mktemp -d)
children=
trap 'kill $children 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

start() { # NAME COMMAND...: runs it; its first line of output is in $work/NAME
  name=$1
  shift
  "$@" >"$work/$name" &
  children="$children $!"
}
await() { # FILE
  for _ in $(seq 100); do
    [ -s "$1" ] || [ -S "$1" ] && return
    sleep 0.02
  done
  echo "no $1" >&2
  exit 1
}
check() { # COMMAND...
  echo "check: $*" | sed "s|$out/||; s|--attach [^ ]*||; s|--unix [^ ]*||" | tr '\n' ' '
  timeout 60 "$@"
}

for mode in sink source; do start $mode "$out/server" --verify $mode; done
for mode in echo once; do start $mode "$out/server" $mode; done
for mode in sink source echo once; do await "$work/$mode"; done
start udp "$out/udpserver" --verify
await "$work/udp"
udp=$(cat "$work/udp")
sink=$(cat "$work/sink") source=$(cat "$work/source") echo=$(cat "$work/echo") once=$(cat "$work/once")

exercise() { # GENERATOR WHERE VALUE
  generator=$1 by=$2 value=$3
  where() { # PORT MODE
    case $by in
      tcp) echo "--port $1" ;;
      unix) echo "--unix $value.$2" ;;
      *) echo "--attach $value --port $1" ;;
    esac
  }
  for bytes in 0 1 65536 100000007; do
    for ring in 4096 65536 1048576; do
      check "$out/$generator" $(where $sink sink) --verify --ring-bytes $ring --bytes $bytes bulk-out
      check "$out/$generator" $(where $source source) --verify --ring-bytes $ring --bytes $bytes bulk-in
      [ "$by" = attach ] || break
    done
  done
  for poll in 0 50; do
    check "$out/$generator" $(where $echo echo) --verify --busy-poll-us $poll --iterations 5000 rtt
    for streams in 1 64 512; do
      [ "$by" = unix ] && [ $streams -gt 64 ] && continue
      set -- $(where $echo echo) --verify --busy-poll-us $poll --ring-bytes 4096 --streams $streams
      check "$out/$generator" "$@" echo
    done
    check "$out/$generator" $(where $once once) --verify --busy-poll-us $poll --ring-bytes 4096 --streams 16 rate
  done
}

# Datagrams may be lost, but none is changed.
exercise_udp() { # GENERATOR OPTIONS...
  for bytes in 64 1400 8192; do
    for mode in udp-out udp-in; do
      check "$@" --verify --datagram-bytes $bytes --milliseconds 100 $mode
    done
  done
  for poll in 0 50; do
    check "$@" --verify --busy-poll-us $poll --datagram-bytes 64 --iterations 2000 udp-rtt
  done
}

if [ -n "$attach" ]; then
  exercise guest attach "$attach"
  exercise_udp "$out/guest" --attach "$attach" --port "$udp"
  check "$out/guest" --attach "$attach" --verify --echo-protocol --ring-bytes 4096 --streams 16 rate
  check "$out/guest" --attach "$attach" --verify --echo-protocol --ring-bytes 4096 --streams 512 echo
  check "$out/guest" --attach "$attach" --port "$echo" --ring-bytes 4096 --streams 4000 idle </dev/null
  if [ -n "${3-}" ]; then
    check "$out/guest" --attach "$attach" --path "$3" --passes 3 file
    for depth in 1 16; do
      check "$out/guest" --attach "$attach" --path "$3" --read-bytes 4096 --depth $depth mount-read
    done
    check "$out/guest" --attach "$attach" --path "$3" --read-bytes 1048576 --sequential mount-read
  fi
else
  exercise plain tcp ""
  exercise_udp "$out/udpplain" --port "$udp"
  for mode in sink source; do
    start unix-$mode "$out/server" --verify --unix "$work/unix.$mode" $mode
    await "$work/unix-$mode"
  done
  check "$out/plain" --unix "$work/unix.sink" --verify bulk-out
  check "$out/plain" --unix "$work/unix.source" --verify bulk-in
  if command -v socat >/dev/null; then
    for mode in sink source echo once; do
      eval port=\$$mode
      start "socat-$mode" socat -b 262144 "UNIX-LISTEN:$work/socat.$mode,fork,backlog=128" "TCP:127.0.0.1:$port,nodelay"
      await "$work/socat.$mode"
    done
    exercise plain unix "$work/socat"
  fi
  for poll in 0 50; do
    start relay "$out/relay" --listen "$work/relay.$poll" --busy-poll-us $poll
    await "$work/relay.$poll"
    "$0" "$out" "$work/relay.$poll"
  done
fi
