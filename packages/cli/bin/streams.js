// process.stdout and process.stderr of a process that serves guests. Node's own set O_NONBLOCK on a pipe as soon as
// anybody looks at them, which node:assert does, and that flag is everybody's who shares the pipe: QEMU, the shell.
// What is written here goes out by plain write(2), and once a command serves, to the command.

"use strict";

const { writeSync } = require("node:fs");
const { Writable } = require("node:stream");

function replace(name, fd) {
  const plainly = (text) => writeSync(fd, text);
  let say = plainly;
  const stream = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      try {
        say(String(chunk));
        done();
      } catch (error) {
        done(error);
      }
    },
  });
  /** From now on `handler` gets what is written; without one it goes out as at first. */
  stream.divert = (handler) => {
    say = handler ?? plainly;
  };
  Object.defineProperty(process, name, { configurable: true, enumerable: true, get: () => stream });
}

module.exports = {
  replaceStreams() {
    replace("stdout", 1);
    replace("stderr", 2);
  },
};
