// The API: every path, what it takes, what it gives, and what of the monitor is asked or changed for it.

import type { Changer } from "../monitor/policy-history.ts";
import { PAGE_DEFAULT, PAGE_MAX, type PageOptions, type StreamsOptions } from "../monitor/status.ts";
import type { Steering } from "../monitor/steering.ts";
import type { CounterValues } from "../reactor/counters.ts";
import { type JsonSchema, object, optional, type Schema, text, whole } from "./schema.ts";
import { COUNTER_VALUES, GUEST, GUESTS, POLICY, POLICY_CHANGES, STREAMS } from "./shapes.ts";

/** What the API shows and changes. */
export interface Administered {
  readonly steering: Steering;
  counters(): CounterValues;
}

/** What a request says; what is not described is not there. */
export interface Asked<Params, Query> {
  readonly params: Params;
  readonly query: Query;
  readonly by: Changer;
}

export interface Route {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** ":id" is a parameter. */
  readonly path: string;
  /** Of the OpenAPI document: one word or two, as a method of the client is called. */
  readonly name: string;
  readonly summary: string;
  readonly params?: JsonSchema;
  readonly query?: JsonSchema;
  readonly reply: JsonSchema;
  run(monitor: Administered, asked: Asked<never, never>): Promise<unknown>;
}

interface TypedRoute<Params, Query, Reply> {
  readonly method: Route["method"];
  readonly path: string;
  readonly name: string;
  readonly summary: string;
  readonly params?: Schema<Params>;
  readonly query?: Schema<Query>;
  readonly reply: Schema<Reply>;
  run(monitor: Administered, asked: Asked<Params, Query>): Promise<Reply>;
}

/** Types as its schemas have them. */
function route<Reply, Params = object, Query = object>(typed: TypedRoute<Params, Query, Reply>): Route {
  return typed as unknown as Route;
}

interface Named {
  readonly id: string;
}

interface OfGuest {
  readonly guest?: string;
}

/** Longer ones there are none. */
const NAME_MAX = { minLength: 1, maxLength: 256 };
const GUEST_ID: Schema<Named> = object<Named>("", { id: text("Its id or its name", NAME_MAX) });
const OF_GUEST: Schema<OfGuest> = object<OfGuest>("", {
  guest: optional(text("The name of a guest or a VM: its own policy, and not the monitor's", NAME_MAX)),
});

const AFTER = text("`next` of the part before", NAME_MAX);
const LIMIT = whole(`The most to give; ${PAGE_DEFAULT} without it`, { minimum: 1, maximum: PAGE_MAX });

export const ROUTES: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/guests",
    name: "guests",
    summary: "Guests, in the order in which they came",
    query: object<PageOptions>("", { after: optional(AFTER), limit: optional(LIMIT) }),
    reply: GUESTS,
    run: ({ steering }, { query }) => steering.guests(query),
  }),
  route({
    method: "GET",
    path: "/v1/guests/:id",
    name: "guest",
    summary: "One guest",
    params: GUEST_ID,
    reply: GUEST,
    run: ({ steering }, { params: { id } }) => steering.guest(id),
  }),
  route({
    method: "GET",
    path: "/v1/streams",
    name: "streams",
    summary: "Streams, in the order of their guests",
    query: object<StreamsOptions>("", {
      after: optional(AFTER),
      limit: optional(LIMIT),
      guest: optional(text("Id or name of a guest: its streams alone", NAME_MAX)),
    }),
    reply: STREAMS,
    run: async ({ steering }, { query: { guest, ...page } }) => {
      if (guest === undefined) return await steering.streams(page);
      const { id } = await steering.guest(guest);
      return await steering.streams({ ...page, guest: id });
    },
  }),
  route({
    method: "GET",
    path: "/v1/counters",
    name: "counters",
    summary: "What the reactor has counted",
    reply: COUNTER_VALUES,
    run: async (monitor) => monitor.counters(),
  }),
  route({
    method: "GET",
    path: "/v1/policy",
    name: "policy",
    summary: "The policy in force",
    query: OF_GUEST,
    reply: POLICY,
    run: async ({ steering }, { query: { guest } }) => steering.policy(guest),
  }),
  route({
    method: "GET",
    path: "/v1/policy/history",
    name: "policyHistory",
    summary: "The policies that were put in force last, the newest first",
    reply: POLICY_CHANGES,
    run: async ({ steering }) => ({ items: steering.policyHistory() }),
  }),
];
