import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import {
  AsyncPoll,
  closeFd,
  createEventfd,
  drainEventfd,
  EPOLLIN,
  Errno,
  POLLIN,
  ringEventfd,
  setNonBlocking,
} from "../src/index.ts";
import { waitFor } from "./helpers.ts";

describe("an asynchronous poll", () => {
  test("rings once when its descriptor is ready, and again when it is submitted again", () => {
    const [fd, told] = [createEventfd(), createEventfd()];
    const poll = new AsyncPoll(fd, POLLIN);
    expect(poll.submit(told)).toBe(0);
    expect(drainEventfd(told)).toBe(0);
    ringEventfd(fd);
    expect(waitFor(told, EPOLLIN)).toBe(EPOLLIN);
    expect(drainEventfd(told)).toBe(1);
    ringEventfd(fd);
    expect(drainEventfd(told)).toBe(0);
    expect(poll.submit(told)).toBe(0);
    expect(drainEventfd(told)).toBe(1);
    closeFd(fd);
    closeFd(told);
  });

  test("is not the caller's to wait for: what it waits for may block, and so may what it rings", () => {
    const [fd, told] = [createEventfd(), createEventfd()];
    for (const each of [fd, told]) setNonBlocking(each, false);
    const poll = new AsyncPoll(fd, POLLIN);
    ringEventfd(fd);
    for (let i = 1; i <= 1000; i++) expect(poll.submit(told)).toBe(0);
    expect(drainEventfd(told)).toBe(1000);
    closeFd(fd);
    closeFd(told);
  });

  test("that is cancelled rings no more, and leaves its place to others", async () => {
    const [fd, told] = [createEventfd(), createEventfd()];
    const poll = new AsyncPoll(fd, POLLIN);
    for (let i = 0; i < 5000; i++) {
      if (poll.submit(told) !== 0) expect.unreachable(`round ${i}`);
      poll.cancel();
      // The kernel ends it in a thread of its own.
      if (i % 20 === 0) await setTimeout(1);
    }
    // Each rings once, as it ends.
    let ended = 0;
    await expect.poll(() => (ended += drainEventfd(told))).toBe(5000);
    ringEventfd(fd);
    expect(drainEventfd(told)).toBe(0);
    closeFd(fd);
    closeFd(told);
  });

  test("of what cannot be, or into what is no eventfd, is refused", () => {
    const [fd, told] = [createEventfd(), createEventfd()];
    expect(new AsyncPoll(-1, POLLIN).submit(told)).toBe(-Errno.EBADF);
    expect(new AsyncPoll(fd, POLLIN).submit(-1)).toBe(-Errno.EBADF);
    expect(new AsyncPoll(fd, POLLIN).submit(0)).toBe(-Errno.EINVAL);
    closeFd(fd);
    closeFd(told);
  });
});
