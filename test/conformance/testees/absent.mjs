// A testee that is not for this machine.
process.exit(127);
