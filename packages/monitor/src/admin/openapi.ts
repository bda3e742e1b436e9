// The API's OpenAPI document, of the same routes and schemas that it is served by.

import { CONVERSATIONS_QUERY, CONVERSATIONS_TYPE } from "./conversations-query.ts";
import { EVENTS_QUERY } from "./events-query.ts";
import type { Route } from "./routes.ts";
import type { JsonSchema } from "./schema.ts";
import { PROBLEM } from "./shapes.ts";

type Json = Readonly<Record<string, unknown>>;

const TOKEN: Json = {
  type: "http",
  scheme: "bearer",
  description:
    "Over TCP: the text of the token's file. The Unix socket asks for none: its mode says who may come.",
};

export function openApi(routes: readonly Route[]): Json {
  const components: Record<string, Json> = {};
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, "{$1}");
    paths[path] ??= {};
    paths[path][route.method.toLowerCase()] = operation(route, components);
  }
  paths["/v1/events"] = { get: EVENTS };
  paths["/v1/conversations"] = { get: CONVERSATIONS };
  paths["/metrics"] = { get: METRICS };
  return {
    openapi: "3.1.0",
    info: {
      title: "Ringway admin API",
      version: "1",
      description: "What a Ringway monitor serves, and how it is changed while it does: docs/operate.md.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "http://localhost", description: "Over its Unix socket" }],
    security: [{}, { token: [] }],
    paths,
    components: { schemas: components, securitySchemes: { token: TOKEN } },
  };
}

function operation(
  { name, summary, params, query, body, reply }: Route,
  components: Record<string, Json>,
): Json {
  const content = (schema: JsonSchema): Json => ({
    "application/json": { schema: hoisted(schema, components) },
  });
  const given = (schema: JsonSchema | "policy"): Json =>
    schema === "policy" ? { "application/yaml": { schema: { type: "string" } } } : content(schema);
  return {
    operationId: name,
    summary,
    parameters: [...parameters("path", params), ...parameters("query", query)],
    ...(body !== undefined && { requestBody: { required: true, content: given(body) } }),
    responses: {
      "200": { description: "Done", content: content(reply) },
      "4XX": { description: "Refused", content: content(PROBLEM) },
      "5XX": { description: "Failed", content: content(PROBLEM) },
    },
  };
}

const EVENTS: Json = {
  operationId: "events",
  summary:
    "What happens, as server-sent events; an event `gap` says how many were lost to a reader that is slow",
  parameters: parameters("query", EVENTS_QUERY),
  responses: {
    "200": {
      description: "Until somebody hangs up; with follow=false, what is kept",
      content: { "text/event-stream": { schema: { type: "string" } } },
    },
    "4XX": { description: "Refused: 429 where too many follow already" },
  },
};

const CONVERSATIONS: Json = {
  operationId: "conversations",
  summary: "What guests and their peers say to each other, as records: packages/monitor has what reads them",
  parameters: parameters("query", CONVERSATIONS_QUERY),
  responses: {
    "200": { description: "Until somebody hangs up", content: { [CONVERSATIONS_TYPE]: {} } },
    "4XX": { description: "Refused", content: { "application/json": {} } },
    "429": { description: "Too many follow already" },
  },
};

const METRICS: Json = {
  operationId: "metrics",
  summary: "All metrics, for Prometheus, or as OpenMetrics where the client takes that: docs/operate.md",
  responses: {
    "200": {
      description: "As of the last second",
      content: { "text/plain": {}, "application/openmetrics-text": {} },
    },
  },
};

function parameters(place: "path" | "query", schema: JsonSchema = {}): Json[] {
  return Object.entries(schema.properties ?? {}).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: schema.required?.includes(name) ?? false,
    ...(description && { description }),
    schema: rest,
  }));
}

/** What has a title is a component, and named where it is used. */
function hoisted(schema: JsonSchema, components: Record<string, Json>): Json {
  const { title, ...rest } = schema;
  const inner: Record<string, unknown> = { ...rest };
  if (rest.properties !== undefined) {
    const entries = Object.entries(rest.properties).map(([key, value]) => [key, hoisted(value, components)]);
    inner.properties = Object.fromEntries(entries);
  }
  if (rest.items !== undefined) inner.items = hoisted(rest.items, components);
  if (title === undefined) return inner;
  components[title] = inner;
  return { $ref: `#/components/schemas/${title}` };
}
