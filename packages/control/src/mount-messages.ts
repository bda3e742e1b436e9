// All messages of mount, under one name.

export * from "./messages/mount.ts";
export * from "./messages/mount-names.ts";
