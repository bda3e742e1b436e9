// What must hold before anything is loaded: what signals mean, and that nobody gets a debugger.
//
// A signal that comes before Node runs this file, some 30 ms after its start, has the effect that Node gives it.

const inspector = require("node:inspector");
const v8 = require("node:v8");
const { replaceStreams } = require("./streams.js");

/** Commands with a monitor in this process, for as long as it runs. */
const SERVING = ["monitor", "run", "vm"];
/** The last is one that Node has no handler of its own for: once that is caught, all are this program's. */
const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"];
/**
 * SIGUSR1 before this file makes Node open its debugger some time later: at once where JavaScript runs, and again when
 * its loop turns. No guest is there yet.
 */
const DEBUGGER_LOOKS_MS = [0, 1, 10, 100, 1000];
/** Long enough for the thread that has seen the signal to ask for it. */
const DEBUGGER_ASKED_MS = 2;

// A process that ends while V8 compiles on another thread may wait for that thread, and it for a collection by this
// one, for ever: one of some 800 ends with Node 24 (nodejs/node#54918). Node 20 has this off.
v8.setFlagsFromString("--no-concurrent-sparkplug");

const isServing = SERVING.includes(process.argv[2]);
const kept = [];
let heed = (signal) => kept.push(signal);

// With a handler of the program's Node opens no debugger: whoever reaches 127.0.0.1:9229 could run code through it.
process.on("SIGUSR1", () => {});

if (isServing) {
  replaceStreams();
  for (const signal of SIGNALS) process.on(signal, () => heed(signal));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, DEBUGGER_ASKED_MS);
  for (const ms of DEBUGGER_LOOKS_MS) setTimeout(closeDebugger, ms).unref();
}

function closeDebugger() {
  if (inspector.url() !== undefined) inspector.close();
}

/** The option that asks for a debugger, where a command that serves guests was started with one. */
function debuggerAsked() {
  const options = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? "").split(/\s+/)];
  return isServing ? options.find((option) => /^--inspect(-brk|-wait)?(=|$)/.test(option)) : undefined;
}

module.exports = {
  debuggerAsked,
  signals: {
    /** From now on `handler` gets each signal, those that have come already first. */
    take(handler) {
      heed = handler;
      for (const signal of kept.splice(0)) handler(signal);
    },
  },
};
