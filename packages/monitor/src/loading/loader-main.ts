// The loader's thread: one question after another, each of which may wait for a file system as long as that likes.

import { parentPort } from "node:worker_threads";
import { inCalls, threadLoaded } from "@ringway/linux";
import { openRoots } from "../disk/roots.ts";
import { openVmMemory } from "../links/vm-memory.ts";
import { compilePolicy } from "../policy/compiled/compile.ts";
import { inheritAt, listenAt, removeSocketFile } from "./listening.ts";
import {
  type FromLoader,
  type LoadedPolicy,
  type LoaderQuestion,
  packError,
  type ToLoader,
} from "./messages.ts";
import { type JudgedPolicy, judgePolicy, readBytes, readPolicy } from "./policy-file.ts";
import { requireRoots, rootProblems } from "./root-problems.ts";

const port = parentPort!;
threadLoaded();

const post = (message: FromLoader): void => port.postMessage(message);
const at = (path: string | undefined): void => post({ kind: "at", path });

function answer(question: LoaderQuestion): unknown {
  switch (question.kind) {
    case "check": {
      const { path, bytes, kept } = question;
      return bytes === undefined ? readPolicy(path, kept, at) : judgePolicy(bytes, path, kept, at);
    }
    case "read":
      return readBytes(question.path, at);
    case "load": {
      const { path, bytes, kept } = question;
      return open(bytes === undefined ? readPolicy(path, kept, at) : judgePolicy(bytes, path, kept, at));
    }
    case "open":
      requireRoots(question.policy, question.kept, at);
      return open({ policy: question.policy, warnings: [] });
    case "judge":
      return rootProblems(question.policy, question.kept, at);
    case "listen":
      at(question.path);
      return listenAt(question.path, question.type);
    case "inherit":
      at(question.path);
      return inheritAt(question.fd, question.path);
    case "open-vm-memory":
      return openVmMemory(question.memory, question.bytes, at);
    case "unlink":
      at(question.listening.path);
      return removeSocketFile(question.listening);
  }
}

function open({ policy, ...rest }: JudgedPolicy): LoadedPolicy {
  const roots = openRoots(policy.files, at, policy.sockets);
  return { policy, ...rest, compiled: compilePolicy(policy), roots };
}

port.on("message", ({ id, ...question }: ToLoader) => {
  inCalls(() => {
    try {
      post({ kind: "done", id, value: answer(question) });
    } catch (error) {
      post({ kind: "failed", id, error: packError(error) });
    }
    if (question.kind === "unlink" && question.done !== undefined) {
      Atomics.store(question.done, 0, 1);
      Atomics.notify(question.done, 0);
    }
  });
});
