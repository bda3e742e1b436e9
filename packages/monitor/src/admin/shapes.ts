// What the API gives, described: the types are those of the monitor's own methods.

import { type GuestRates, RATE_BOUNDS, type StreamRates } from "../monitor/guest-rates.ts";
import type { Changer, PolicyChange } from "../monitor/policy-history.ts";
import type { PublishOptions } from "../monitor/publish-options.ts";
import type { Published, PublishStatus } from "../monitor/publishes.ts";
import type { GuestStatus, Page, RingFill, StreamStatus, TenantStatus } from "../monitor/status.ts";
import type { PolicyPut, PolicyStatus } from "../monitor/steering.ts";
import type { Labels } from "../observe/labels.ts";
import type { PolicyProblem } from "../policy/errors.ts";
import { COUNTERS, type CounterValues } from "../reactor/counters.ts";
import {
  data,
  flag,
  list,
  map,
  object,
  optional,
  type Schema,
  text,
  whole,
  wholeOr,
  word,
} from "./schema.ts";

export const GUEST: Schema<GuestStatus> = object<GuestStatus>("Guest", {
  id: text("No other guest of the monitor has it: 1, 2, in the order in which they came"),
  name: text("As in events and logs"),
  tenant: optional(text("The name that the host has given it, or its attach socket")),
  labels: map("As the host has given them", text("")),
  key: text("Whose budgets it uses"),
  pid: whole("0 where it cannot be seen"),
  state: text("attaching, attached, leaving, lingering or closing"),
  ageMs: whole("Since it came"),
  streams: whole("Open now"),
  bytesToHost: whole("Payload of all that it was allowed, since it came"),
  bytesToGuest: whole("The other way"),
  regionBytes: whole("Of its memory"),
  held: flag("It waits: for its audit lines, or since it has caused more lines than its policy allows"),
  parked: flag("It has rung too often for nothing, and is not looked at for a moment"),
});

const TENANT: Schema<TenantStatus> = object<TenantStatus>("Tenant", {
  name: text("As the host has given it"),
  kind: word("A machine, or the processes of an attach socket, which are called by the name and a number", [
    "vm",
    "process",
  ]),
  state: word("waiting: its hypervisor has not answered, or no process is attached", ["waiting", "there"]),
  socket: text("Path of the attach socket, or of the doorbell that the hypervisor serves"),
  labels: map("As the host has given them", text("")),
});

export interface TenantList {
  readonly items: readonly TenantStatus[];
}

export const TENANTS: Schema<TenantList> = object<TenantList>("Tenants", { items: list(TENANT) });

const RING: Schema<RingFill> = object<RingFill>("Ring", {
  bytes: optional(whole("Not taken yet; absent where the guest has written what cannot be")),
  capacity: whole("Bytes that it may hold"),
});

const STREAM: Schema<StreamStatus> = object<StreamStatus>("Stream", {
  id: text("No other stream of the monitor has it: guest, number, and which use of the number it is"),
  guest: text("Its guest's name"),
  guestId: text("Its guest's id"),
  protocol: text("As in the audit file: tcp-connect; empty before its Open has come"),
  target: text("What was asked for: example.com:443; empty where no rule is asked, and once it is closing"),
  rule: text("That has allowed it"),
  address: text("Where it leads, or what is listened on"),
  state: text("fresh, posted, opening, running or closing"),
  ageMs: optional(whole("Since it was opened; absent where no rule was asked")),
  bytesToHost: whole("Payload"),
  bytesToGuest: whole("Payload"),
  toHost: RING,
  toGuest: RING,
});

function page<T>(title: string, items: Schema<T>): Schema<Page<T>> {
  return object<Page<T>>(title, {
    items: list(items),
    next: optional(text("What to ask for the part behind this one with: after=NEXT. Absent at the end")),
  });
}

export const GUESTS: Schema<Page<GuestStatus>> = page("Guests", GUEST);
export const STREAMS: Schema<Page<StreamStatus>> = page("Streams", STREAM);

export const COUNTER_VALUES: Schema<CounterValues> = object<CounterValues>(
  "Counters",
  Object.fromEntries(COUNTERS.map((name) => [name, { type: "number" }])) as {
    readonly [K in keyof CounterValues]: Schema<number>;
  },
  "What the reactor has counted since the monitor's start: docs/monitor.md says what each is",
);

const CHANGER: Schema<Changer> = object<Changer>("Changer", {
  via: word("The monitor's options, a call of the program's, SIGHUP, or the admin API", [
    "start",
    "program",
    "signal",
    "admin",
  ]),
  uid: optional(whole("Of the API's client, as the kernel knows it")),
  gid: optional(whole("Of the API's client, as the kernel knows it")),
  pid: optional(whole("Of the API's client, as the kernel knows it")),
  address: optional(text("Of a client that came over TCP")),
});

const CHANGE = {
  revision: whole("1, 2, ..."),
  time: text("ISO 8601"),
  guest: optional(text("Whose own policy it is; absent: the monitor's")),
  by: CHANGER,
  file: optional(text("Path of its file, where it came from one")),
  text: optional(text("As it was written, where it came as a text; old ones are without")),
};

export const POLICY: Schema<PolicyStatus> = object<PolicyStatus>("Policy", {
  ...CHANGE,
  policy: data("As data, with every default"),
});

const POLICY_CHANGE: Schema<PolicyChange> = object<PolicyChange>("PolicyChange", CHANGE);

export interface PolicyChanges {
  readonly items: readonly PolicyChange[];
}

export const POLICY_CHANGES: Schema<PolicyChanges> = object<PolicyChanges>("PolicyChanges", {
  items: list(POLICY_CHANGE),
});

/** It is done, and there is nothing more to say. */
export interface Done {
  readonly done: boolean;
}

export const DONE: Schema<Done> = object<Done>("Done", { done: flag("true") });

export const POLICY_PUT: Schema<PolicyPut> = object<PolicyPut>("PolicyPut", {
  revision: whole("Of the policy that is in force now"),
  cut: whole("How many streams it has ended, where cut=true"),
});

function rate(key: keyof GuestRates, description: string): Schema<number | "unlimited"> {
  const [minimum, maximum] = RATE_BOUNDS[key];
  return wholeOr(description, "unlimited", { minimum, maximum });
}

export const RATES: Schema<GuestRates> = object<GuestRates>(
  "Rates",
  {
    bytesToHost: optional(rate("bytesToHost", "Bytes in a second to the network")),
    bytesToGuest: optional(rate("bytesToGuest", "Bytes in a second from the network")),
    connections: optional(rate("connections", "New ones in a second, either way")),
    datagrams: optional(rate("datagrams", "In a second, either way")),
    lookups: optional(rate("lookups", "Of names and addresses, in a second")),
  },
  "What is absent is as the guest's policy says",
);

const PORT = { minimum: 1, maximum: 65_535 };

export const STREAM_RATES: Schema<StreamRates> = object<StreamRates>(
  "StreamRates",
  {
    bytesToHost: optional(rate("bytesToHost", "Bytes in a second to the network")),
    bytesToGuest: optional(rate("bytesToGuest", "Bytes in a second from the network")),
  },
  "Beside those of its guest",
);

/** The monitor's folder is not its client's. */
const PATH = { pattern: "^/", maxLength: 4096 };

/** As the monitor's options have it; its memory is named by a path. */
export interface NewVm {
  readonly name: string;
  readonly memory: string;
  readonly memoryBytes?: number;
  readonly doorbell: string;
  readonly policy?: string;
  readonly labels?: Labels;
}

export const NEW_VM: Schema<NewVm> = object<NewVm>("NewVm", {
  name: text("What its guests are called in events and logs"),
  memory: text("Absolute path of the file that it shares with the host; made where it does not exist", PATH),
  memoryBytes: optional(whole("Of a memory that is made: a power of two; 64 MiB without it")),
  doorbell: text("Absolute path of the socket that its hypervisor serves", PATH),
  policy: optional(text("Absolute path of a policy file of its own", PATH)),
  labels: optional(map("In every line about it", text(""))),
});

export const PUBLISH: Schema<PublishOptions> = object<PublishOptions>("Publish", {
  address: optional(text("An IP address of this host; 127.0.0.1 without it, which is for this host alone")),
  port: whole("Of this host", PORT),
  guest: text("The name of a guest with an attach socket of its own, or of a VM", { maxLength: 64 }),
  guestPort: optional(whole("What it listens on; without it, the same as `port`", PORT)),
});

const PUBLISHED_KEYS = {
  id: text("ADDRESS:PORT, as it is taken back by"),
  address: text("Of this host"),
  port: whole("Of this host"),
  guest: text("The name of the guests that it leads to"),
  guestPort: whole("What they listen on"),
  time: text("ISO 8601"),
  by: CHANGER,
};

export const PUBLISHED: Schema<Published> = object<Published>("Published", PUBLISHED_KEYS);

const PUBLISH_STATUS: Schema<PublishStatus> = object<PublishStatus>("PublishStatus", {
  ...PUBLISHED_KEYS,
  listeners: whole("How many guests listen there now; 0: connections are refused"),
});

export interface PublishList {
  readonly items: readonly PublishStatus[];
}

export const PUBLISHES: Schema<PublishList> = object<PublishList>("Publishes", {
  items: list(PUBLISH_STATUS),
});

export interface Drain {
  /** How long transfers may go on; without it, as long as the monitor's options say. */
  readonly drainMs?: number;
}

export const DRAIN: Schema<Drain> = object<Drain>("Drain", {
  drainMs: optional(whole("How long transfers may go on", { minimum: 0, maximum: 3_600_000 })),
});

/** What a request that fails is answered with. */
export interface Problem {
  readonly error: string;
  /** ERR_RINGWAY_POLICY and others. */
  readonly code: string;
  /** Of a policy. */
  readonly problems?: readonly PolicyProblem[];
}

const POLICY_PROBLEM: Schema<PolicyProblem> = object<PolicyProblem>("PolicyProblem", {
  line: whole("From 1"),
  column: whole("From 1"),
  path: text("Where in the document: connect[1].ports; empty for the document itself"),
  message: text("For people"),
});

export const PROBLEM: Schema<Problem> = object<Problem>("Problem", {
  error: text("For people"),
  code: text("ERR_RINGWAY_POLICY and others"),
  problems: optional(list(POLICY_PROBLEM)),
});
