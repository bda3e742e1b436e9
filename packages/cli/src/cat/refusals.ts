// What does not go together on the command line of `ringway cat`, each with why: an option that would do nothing is
// refused, since whoever gives it counts on it.

import { isIPv4, isIPv6 } from "node:net";
import { UsageError } from "../errors.ts";
import type { CatOptions } from "./options.ts";
import type { ListenPlace, Target } from "./places.ts";
import { DATAGRAM_MAX, type TypedCat } from "./typed.ts";

interface Where {
  readonly targets: readonly Target[];
  readonly places: readonly ListenPlace[];
}

type Wrongs = readonly (readonly [isWrong: boolean, why: string])[];

/** Throws the first that is wrong. */
export function refuse({ targets, once, always }: CatOptions, typed: TypedCat): void {
  const where = { targets, places: [...once, ...always] };
  const wrong = [
    ...ofWhere(where, typed),
    ...ofUdp(where, typed),
    ...ofTls(where, typed),
    ...ofForwarding(where, typed),
    ...ofAttach(where, typed),
  ];
  const found = wrong.find(([isWrong]) => isWrong);
  if (found !== undefined) throw new UsageError(found[1]);
}

function ofWhere({ targets, places }: Where, { probe = false, ipv4, ipv6, ...typed }: TypedCat): Wrongs {
  const hosts = [
    ...targets.flatMap(({ to, from }) => [to, from]),
    ...places.map(({ at }) => ("every" in at ? undefined : at)),
  ].flatMap((at) => (at !== undefined && "host" in at ? [at.host] : []));
  const isOne = ipv4 !== ipv6;
  return [
    [
      targets.length + places.length === 0,
      "nothing to connect to, and nothing to listen at: HOST:PORT, -l or -L",
    ],
    [probe && targets.length === 0, "-z needs something to connect to"],
    [probe && places.length > 0, "-z listens nowhere"],
    [
      isOne && ipv4 === true && hosts.some((host) => isIPv6(host)),
      "-4 leaves IPv6 out, and an address is of it",
    ],
    [
      isOne && ipv6 === true && hosts.some((host) => isIPv4(host)),
      "-6 leaves IPv4 out, and an address is of it",
    ],
    [!typed.udp && typed.sizes?.[1] === 0, "--sizes 0: a stream carries no empty chunks"],
  ];
}

function ofUdp({ targets, places }: Where, typed: TypedCat): Wrongs {
  const { udp = false, chunk = 0, sizes = [0, 0] } = typed;
  if (!udp) {
    const isCast = typed.broadcast ?? typed.mc ?? typed.mcNoLoop ?? false;
    return [
      [isCast, "-b, --mc and --mc-no-loop go with -u alone"],
      [typed.ttl !== undefined, "--ttl goes with -u alone"],
    ];
  }
  const isAgain = typed.reconnect === true || typed.retry === true;
  return [
    [isAgain, "-r and -R: there is nothing to reconnect with -u"],
    [typed.probe === true, "-z: nobody can tell with -u"],
    [typed.exec !== undefined, "-e does not go with -u"],
    [[...targets, ...places].some(({ tls }) => tls), "TLS does not go with -u"],
    [typed.halfClose === true, "-N: datagrams have no end"],
    [chunk > DATAGRAM_MAX, `--chunk ${chunk}: a datagram has ${DATAGRAM_MAX} bytes at the most`],
    [sizes[1] > DATAGRAM_MAX, `--sizes ${sizes[1]}: a datagram has ${DATAGRAM_MAX} bytes at the most`],
  ];
}

/** What is to be secret must not go in plain text because of a `tls:` that is not there. */
function ofTls({ targets, places }: Where, { tlsPin, tlsCa, tlsName, tlsCert, tlsKey }: TypedCat): Wrongs {
  const ofClient = [tlsPin, tlsCa, tlsName].some((value) => value !== undefined);
  const ofServer = [tlsCert, tlsKey].some((value) => value !== undefined);
  return [
    [
      ofClient && !targets.some(({ tls }) => tls),
      "--tls-pin, --tls-ca and --tls-name: nothing is connected to by TLS: --tls, or tls: in front of it",
    ],
    [
      ofServer && !places.some(({ tls }) => tls),
      "--tls-cert and --tls-key: nothing is listened at with TLS: --tls, or tls: in front of it",
    ],
  ];
}

function ofForwarding({ targets, places }: Where, typed: TypedCat): Wrongs {
  const { forward, pair, exec, udp = false } = typed;
  const channels = forward === "channels" || forward === "linger";
  const isAccepted = pair === "listen:connect";
  const isAgain = typed.reconnect === true || typed.retry === true;
  return [
    [exec !== undefined && forward !== "none", "-e and -f: each connection has one other end"],
    [
      typed.halfClose === true && (forward !== "none" || exec !== undefined),
      "-N: -f and -e pass ends on by themselves",
    ],
    [typed.slow === "drop" && forward !== "hub", "--slow drop goes with -f hub alone"],
    [pair !== undefined && !channels, "--pair goes with -f channels or -f linger alone"],
    [
      isAccepted && (targets.length === 0 || places.length === 0 || udp),
      "--pair listen:connect needs -l or -L, and something to connect to, without -u",
    ],
    [isAccepted && isAgain, "-r and -R: --pair listen:connect dials for who comes, and not again"],
    [
      isAccepted && targets.some(({ count }) => count > 1),
      "xN: --pair listen:connect dials one for each that comes",
    ],
  ];
}

function ofAttach({ targets }: Where, { attach, udp = false, sendBuffer, receiveBuffer }: TypedCat): Wrongs {
  if (attach === undefined || udp) return [];
  return [
    [
      targets.some(({ from }) => from !== undefined),
      "SOURCE=TARGET: over --attach the host picks where it comes from",
    ],
    [
      sendBuffer !== undefined || receiveBuffer !== undefined,
      "--send-buffer and --receive-buffer: over --attach the host has its own",
    ],
  ];
}
