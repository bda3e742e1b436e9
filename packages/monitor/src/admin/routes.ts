// The API: every path, what it takes, what it gives, and what of the monitor is asked or changed for it.

import type { Changer } from "../monitor/policy-history.ts";
import { PAGE_DEFAULT, PAGE_MAX, type PageOptions, type StreamsOptions } from "../monitor/status.ts";
import type { PutPolicyOptions, Steering } from "../monitor/steering.ts";
import type { CounterValues } from "../reactor/counters.ts";
import type { Emitting } from "./happenings.ts";
import { flag, type JsonSchema, object, optional, type Schema, text, whole } from "./schema.ts";
import {
  COUNTER_VALUES,
  DONE,
  type Done,
  DRAIN,
  GUEST,
  GUESTS,
  NEW_VM,
  POLICY,
  POLICY_CHANGES,
  POLICY_PUT,
  PUBLISH,
  PUBLISHED,
  PUBLISHES,
  RATES,
  STREAM_RATES,
  STREAMS,
  TENANTS,
} from "./shapes.ts";

/** What the API shows and changes. */
export interface Administered extends Emitting {
  readonly steering: Steering;
  counters(): CounterValues;
}

/** What a request says; what is not described is not there. */
export interface Asked<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
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
  /** JSON; or "policy": a policy's text. */
  readonly body?: JsonSchema | "policy";
  readonly reply: JsonSchema;
  run(monitor: Administered, asked: Asked<never, never, never>): Promise<unknown>;
}

interface TypedRoute<Params, Query, Body, Reply> {
  readonly method: Route["method"];
  readonly path: string;
  readonly name: string;
  readonly summary: string;
  readonly params?: Schema<Params>;
  readonly query?: Schema<Query>;
  readonly body?: Schema<Body> | "policy";
  readonly reply: Schema<Reply>;
  run(monitor: Administered, asked: Asked<Params, Query, Body>): Promise<Reply>;
}

/** Types as its schemas have them. */
function route<Reply, Params = object, Query = object, Body = string>(
  typed: TypedRoute<Params, Query, Body, Reply>,
): Route {
  return typed as unknown as Route;
}

const DONE_SO: Done = { done: true };

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

const STREAM_ID: Schema<Named> = object<Named>("", { id: text("As GET /v1/streams has it", NAME_MAX) });
const VM_NAME: Schema<Named> = object<Named>("", { id: text("Its name", NAME_MAX) });
const PUBLISH_ID: Schema<Named> = object<Named>("", { id: text("ADDRESS:PORT of this host", NAME_MAX) });
const PUT_POLICY: Schema<PutPolicyOptions> = object<PutPolicyOptions>("", {
  guest: optional(text("The name of a guest or a VM: its own policy, and not the monitor's", NAME_MAX)),
  cut: optional(flag("What is open and not allowed any more is ended")),
  folder: optional(
    text(
      "An absolute path: relative paths of the policy are below it, and not below the file's that it replaces",
      {
        pattern: "^/",
        maxLength: 4096,
      },
    ),
  ),
});

const AFTER = text("`next` of the part before", NAME_MAX);
const LIMIT = whole(`The most to give; ${PAGE_DEFAULT} without it`, { minimum: 1, maximum: PAGE_MAX });

const SEEN: readonly Route[] = [
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
    path: "/v1/tenants",
    name: "tenants",
    summary: "Guests and machines that have a name of the host's, whether or not anybody is there",
    reply: TENANTS,
    run: async ({ steering }) => ({ items: steering.tenants() }),
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
  route({
    method: "GET",
    path: "/v1/publishes",
    name: "publishes",
    summary: "Ports of the host that lead to ports of guests, the oldest first",
    reply: PUBLISHES,
    run: async ({ steering }) => ({ items: await steering.publishes() }),
  }),
];

const CHANGED: readonly Route[] = [
  route({
    method: "PUT",
    path: "/v1/policy",
    name: "putPolicy",
    summary: "Puts a policy in force, for all guests that have none of their own, or for those of one name",
    query: PUT_POLICY,
    body: "policy",
    reply: POLICY_PUT,
    run: ({ steering }, { body, query, by }) => steering.putPolicy(body, query, by),
  }),
  route({
    method: "DELETE",
    path: "/v1/streams/:id",
    name: "resetStream",
    summary: "Ends a stream: its guest and its peer see that it is reset",
    params: STREAM_ID,
    reply: DONE,
    run: async ({ steering }, { params: { id }, by }) => {
      await steering.resetStream(id, by);
      return DONE_SO;
    },
  }),
  route({
    method: "DELETE",
    path: "/v1/guests/:id",
    name: "closeGuest",
    summary: "Ends a guest: a machine begins anew, a process may attach again",
    params: GUEST_ID,
    reply: DONE,
    run: async ({ steering }, { params: { id }, by }) => {
      await steering.closeGuest(id, by);
      return DONE_SO;
    },
  }),
  route({
    method: "PUT",
    path: "/v1/guests/:id/rates",
    name: "setRates",
    summary: "Rates for one guest while it is there, in place of those of its policy",
    params: GUEST_ID,
    body: RATES,
    reply: DONE,
    run: async ({ steering }, { params: { id }, body, by }) => {
      await steering.setRates(id, body, by);
      return DONE_SO;
    },
  }),
  route({
    method: "PUT",
    path: "/v1/streams/:id/rates",
    name: "setStreamRates",
    summary: "Rates for one stream while it is open, beside those of its guest",
    params: STREAM_ID,
    body: STREAM_RATES,
    reply: DONE,
    run: async ({ steering }, { params: { id }, body, by }) => {
      await steering.setStreamRates(id, body, by);
      return DONE_SO;
    },
  }),
  route({
    method: "POST",
    path: "/v1/vms",
    name: "addVm",
    summary: "Serves another virtual machine",
    body: NEW_VM,
    reply: DONE,
    run: async ({ steering }, { body, by }) => {
      await steering.addVm(body, by);
      return DONE_SO;
    },
  }),
  route({
    method: "DELETE",
    path: "/v1/vms/:id",
    name: "removeVm",
    summary: "Serves a virtual machine no more: its guest is ended, its memory and doorbell are free then",
    params: VM_NAME,
    reply: DONE,
    run: async ({ steering }, { params: { id }, by }) => {
      await steering.removeVm(id, by);
      return DONE_SO;
    },
  }),
  route({
    method: "POST",
    path: "/v1/publishes",
    name: "publish",
    summary: "Leads a port of the host to a port of a guest, and of those that have its name after it",
    body: PUBLISH,
    reply: PUBLISHED,
    run: ({ steering }, { body, by }) => steering.publish(body, by),
  }),
  route({
    method: "DELETE",
    path: "/v1/publishes/:id",
    name: "unpublish",
    summary: "And no more; connections that are open stay open",
    params: PUBLISH_ID,
    reply: DONE,
    run: async ({ steering }, { params: { id }, by }) => {
      await steering.unpublish(id, by);
      return DONE_SO;
    },
  }),
  route({
    method: "POST",
    path: "/v1/drain",
    name: "drain",
    summary: "Ends the monitor as a signal does: nothing new begins, transfers may finish",
    body: DRAIN,
    reply: DONE,
    run: async ({ steering }, { body: { drainMs }, by }) => {
      steering.drain(drainMs, by);
      return DONE_SO;
    },
  }),
];

export const ROUTES: readonly Route[] = [...SEEN, ...CHANGED];
