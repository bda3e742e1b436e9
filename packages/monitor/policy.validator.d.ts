/** What a keyword of policy.schema.json says of a value: Ajv's ErrorObject, with `verbose`. */
export interface SchemaError {
  readonly keyword: string;
  /** A JSON pointer to the value. */
  readonly instancePath: string;
  readonly schemaPath: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** Set where the value is the name of a property. */
  readonly propertyName?: string;
  readonly message?: string;
  /** What the keyword has in the schema. */
  readonly schema: unknown;
  /** Where the keyword stands in the schema. */
  readonly parentSchema?: { readonly "x-expected"?: string; readonly properties?: object };
  readonly data: unknown;
}

export const validate: ((value: unknown) => boolean) & { errors?: readonly SchemaError[] | null };
