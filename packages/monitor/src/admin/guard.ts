// Who is served: at the Unix socket whoever its mode lets come, over TCP who has the token and was not sent here by
// another's page. All others are refused, and asked nothing else.

import type { FastifyInstance, FastifyRequest } from "fastify";
import type { AdminHttpOptions } from "../monitor/admin-options.ts";
import type { Caller, Callers } from "./callers.ts";
import type { TokenGuard } from "./token.ts";
import { originProblem } from "./web-origin.ts";

/** What comes over TCP must have. */
interface OverTcp {
  readonly http: AdminHttpOptions;
  readonly tokens: TokenGuard;
}

interface Refusal {
  readonly status: number;
  readonly error: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** `tcp`: undefined where nobody may come so. */
export function guard(app: FastifyInstance, callers: Callers, tcp: OverTcp | undefined): void {
  app.addHook("onRequest", async (request, reply) => {
    const refusal = refusalOf(request, callers.of(request.socket), tcp);
    if (refusal === undefined) return undefined;
    const { status, error, headers = {} } = refusal;
    return reply.code(status).headers(headers).send({ error, code: "ERR_RINGWAY_ADMIN" });
  });
}

function refusalOf(
  { headers }: FastifyRequest,
  caller: Caller | undefined,
  tcp: OverTcp | undefined,
): Refusal | undefined {
  if (caller === undefined) return { status: 403, error: "nobody knows who you are" };
  const { address } = caller;
  if (address === undefined) return undefined;
  if (tcp === undefined) return { status: 403, error: "nobody is served over TCP" };
  const problem = originProblem(tcp.http, headers.host, headers.origin);
  if (problem !== undefined) return { status: 403, error: problem };
  switch (tcp.tokens.judge(address, headers.authorization)) {
    case "good":
      return undefined;
    case "later": {
      const error = "too many tokens from this address were wrong";
      return { status: 429, error, headers: { "retry-after": "60" } };
    }
    case "bad": {
      const error = "expected the header `authorization: Bearer TOKEN`, with this monitor's token";
      return { status: 401, error, headers: { "www-authenticate": "Bearer" } };
    }
  }
}
