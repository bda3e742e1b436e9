// What is wrong with a request that its schema does not take, for whoever has sent it: the key, and what it should be.

import { nearest } from "@ringway/linux";

/** As ajv tells it, with `verbose`. */
interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly message?: string;
  readonly parentSchema?: { readonly properties?: object };
}

/** Fastify's names for the parts of a request. */
const PARTS: Readonly<Record<string, string>> = {
  body: "the body",
  querystring: "the query",
  params: "the path",
};

/** There is one at least. `part`: which one of the request it is about. */
export function schemaProblem(errors: readonly unknown[], part: string): Error {
  return new Error(sentence(errors as readonly SchemaError[], PARTS[part] ?? part));
}

function sentence(errors: readonly SchemaError[], part: string): string {
  const [{ keyword, instancePath, params, parentSchema }] = errors as readonly [SchemaError];
  const key = instancePath.slice(1).replaceAll("/", ".");
  const place = key === "" ? part : `${JSON.stringify(key)} in ${part}`;
  switch (keyword) {
    case "additionalProperties": {
      const unknown = String(params.additionalProperty);
      const known = Object.keys(parentSchema?.properties ?? {});
      const meant = nearest(unknown, known);
      const hint = meant === undefined ? "" : `; did you mean ${JSON.stringify(meant)}?`;
      const expected = known.length === 0 ? "expected none" : `expected one of ${known.join(", ")}`;
      return `unknown key ${JSON.stringify(unknown)} in ${place}; ${expected}${hint}`;
    }
    case "required":
      return `${place} has no key ${JSON.stringify(params.missingProperty)}`;
    default: {
      // Of several that would do, each says what it is not.
      const wishes = errors.filter((error) => error.keyword !== "anyOf").map(wish);
      return `${place} ${[...new Set(wishes)].join(", or ")}`;
    }
  }
}

function wish({ keyword, params, message }: SchemaError): string {
  if (keyword === "const") return `must be ${JSON.stringify(params.allowedValue)}`;
  if (keyword === "enum") return `must be one of ${(params.allowedValues as string[]).join(", ")}`;
  return message ?? "is not what the API takes";
}
