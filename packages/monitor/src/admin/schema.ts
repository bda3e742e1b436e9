// JSON schemas with the type that they describe: what the API takes and gives is written once as a type, and the
// compiler holds the schema to it, key by key. Validation, what is sent, and the OpenAPI document come of these.

/** As JSON Schema 2020-12 has it. */
export interface JsonSchema {
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly anyOf?: readonly JsonSchema[];
  readonly const?: string;
}

declare const described: unique symbol;

export interface Schema<T> extends JsonSchema {
  readonly [described]?: T;
}

/** A key that may be absent. */
interface Optional<T> {
  readonly optional: Schema<T>;
}

type Keys<T> = {
  readonly [K in keyof T]-?: object extends Pick<T, K> ? Optional<Exclude<T[K], undefined>> : Schema<T[K]>;
};

export function optional<T>(schema: Schema<T>): Optional<T> {
  return { optional: schema };
}

/** `title`: its name in the OpenAPI document; "" where it has none there. */
export function object<T>(title: string, keys: Keys<T>, description = ""): Schema<T> {
  const all = Object.entries(keys) as [string, JsonSchema | Optional<unknown>][];
  const properties = all.map(([key, value]) => [key, "optional" in value ? value.optional : value] as const);
  return {
    type: "object",
    ...(title !== "" && { title }),
    ...(description !== "" && { description }),
    properties: Object.fromEntries(properties),
    required: all.flatMap(([key, value]) => ("optional" in value ? [] : [key])),
    additionalProperties: false,
  };
}

type TextLimits = Pick<JsonSchema, "minLength" | "maxLength" | "pattern">;

export function text(description: string, limits: TextLimits = {}): Schema<string> {
  return { type: "string", description, ...limits };
}

export function whole(
  description: string,
  limits: Pick<JsonSchema, "minimum" | "maximum"> = {},
): Schema<number> {
  return { type: "integer", description, ...limits };
}

export function flag(description: string): Schema<boolean> {
  return { type: "boolean", description };
}

export function word<T extends string>(description: string, words: readonly T[]): Schema<T> {
  return { type: "string", description, enum: words };
}

export function list<T>(items: Schema<T>): Schema<readonly T[]> {
  return { type: "array", items };
}

export function map<T>(description: string, values: Schema<T>): Schema<Readonly<Record<string, T>>> {
  return { type: "object", description, additionalProperties: values };
}

/** A number, or a word in its place. */
export function wholeOr<T extends string>(
  description: string,
  instead: T,
  limits: Pick<JsonSchema, "minimum" | "maximum">,
): Schema<number | T> {
  return { description, anyOf: [{ type: "integer", ...limits }, { const: instead }] };
}

/** Data whose shape is told elsewhere. */
export function data<T>(description: string): Schema<T> {
  return { description };
}
