// All messages of mount, under one name. What they are made of (fields.ts) is their own.

export type { Attributes } from "./fields.ts";
export * from "./handles.ts";
export * from "./names.ts";
