import { describe, expect, test } from "vitest";
import {
  closeFd,
  createEventfd,
  drainEventfd,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLONESHOT,
  EPOLLOUT,
  EPOLLRDHUP,
  Epoll,
  Errno,
  POLLIN,
  POLLNVAL,
  PollSet,
  poll,
  ringEventfd,
  unixPair,
} from "../src/index.ts";
import { runChild } from "./helpers.ts";

describe("epoll", () => {
  test("reports the slot and the tag that a descriptor was added with, as u32", () => {
    using epoll = new Epoll();
    const fds = [createEventfd(), createEventfd(), createEventfd()];
    const places = [
      [0, 0],
      [0xffff_ffff, 0x8000_0001],
      [7, 0xffff_ffff],
    ] as const;
    fds.forEach((fd, i) => {
      const [slot, tag] = places[i]!;
      epoll.add(fd, EPOLLIN, slot, tag);
      ringEventfd(fd);
    });
    expect(epoll.wait(0)).toBe(3);
    const seen = [0, 1, 2].map((i) => [epoll.slot(i), epoll.tag(i), epoll.events(i)]);
    expect(seen).toEqual(expect.arrayContaining(places.map((place) => [...place, EPOLLIN])));
    for (const fd of fds) closeFd(fd);
  });

  test("edge-triggered reports a change once, and the next change again", () => {
    using epoll = new Epoll();
    const fd = createEventfd();
    epoll.add(fd, EPOLLIN | EPOLLET, 1, 2);
    ringEventfd(fd);
    expect(epoll.wait(0)).toBe(1);
    expect(epoll.wait(0)).toBe(0);
    ringEventfd(fd);
    expect(epoll.wait(0)).toBe(1);
    drainEventfd(fd);
    expect(epoll.wait(0)).toBe(0);
    closeFd(fd);
  });

  test("waits for microseconds, no less than it was asked to, and not where something has happened", () => {
    using epoll = new Epoll();
    const fd = createEventfd();
    epoll.add(fd, EPOLLIN, 1, 2);
    for (const us of [0, 300, 1_000_300]) {
      const start = performance.now();
      expect(epoll.waitUs(us)).toBe(0);
      // Node's clock counts from its own start, in parts of a millisecond.
      expect(performance.now() - start).toBeGreaterThanOrEqual(us / 1000 - 0.01);
    }
    ringEventfd(fd);
    expect(epoll.waitUs(60_000_000)).toBe(1);
    closeFd(fd);
    epoll.close();
    expect(epoll.waitUs(300)).toBe(-Errno.EBADF);
  });

  test("one-shot stays silent until it is modified", () => {
    using epoll = new Epoll();
    const fd = createEventfd();
    epoll.add(fd, EPOLLIN | EPOLLONESHOT, 1, 1);
    ringEventfd(fd);
    expect(epoll.wait(0)).toBe(1);
    ringEventfd(fd);
    expect(epoll.wait(0)).toBe(0);
    epoll.modify(fd, EPOLLIN | EPOLLONESHOT, 1, 2);
    expect(epoll.wait(0)).toBe(1);
    expect(epoll.tag(0)).toBe(2);
    expect(epoll.delete(fd)).toBe(0);
    expect(epoll.delete(fd)).toBe(-Errno.ENOENT);
    closeFd(fd);
  });

  test("leaves for the next wait what the event array has no room for", () => {
    using epoll = new Epoll(2);
    const fds = [createEventfd(), createEventfd(), createEventfd()];
    for (const [i, fd] of fds.entries()) {
      epoll.add(fd, EPOLLIN | EPOLLET, i, 0);
      ringEventfd(fd);
    }
    expect(epoll.wait(0)).toBe(2);
    expect(epoll.wait(0)).toBe(1);
    for (const fd of fds) closeFd(fd);
  });

  test("tells that the other end is gone", () => {
    using epoll = new Epoll();
    const [near, far] = unixPair();
    epoll.add(near, EPOLLIN | EPOLLOUT | EPOLLRDHUP, 0, 0);
    expect(epoll.wait(0)).toBe(1);
    expect(epoll.events(0)).toBe(EPOLLOUT);
    closeFd(far);
    expect(epoll.wait(0)).toBe(1);
    expect(epoll.events(0) & (EPOLLHUP | EPOLLRDHUP)).toBe(EPOLLHUP | EPOLLRDHUP);
    closeFd(near);
  });

  test("throws what cannot be watched, and is quiet about itself once closed", () => {
    const epoll = new Epoll();
    const fd = createEventfd();
    epoll.add(fd, EPOLLIN, 0, 0);
    expect(() => epoll.add(fd, EPOLLIN, 0, 0)).toThrow(expect.objectContaining({ code: "EEXIST" }));
    expect(() => epoll.add(-1, EPOLLIN, 0, 0)).toThrow(expect.objectContaining({ code: "EBADF" }));
    epoll.close();
    epoll.close();
    expect(epoll.wait(0)).toBe(-Errno.EBADF);
    expect(epoll.delete(fd)).toBe(-Errno.EBADF);
    closeFd(fd);
  });

  test("takes an interruption by a signal for no events", () => {
    // In the main thread, where the signal arrives; a process of its own, so that none of ours is interrupted.
    const code = `
      import { spawn } from "node:child_process";
      process.on("SIGUSR2", () => {});
      spawn("sh", ["-c", "sleep 0.3; kill -USR2 " + process.pid]);
      const epoll = new linux.Epoll();
      const start = performance.now();
      console.log(epoll.wait(5000), performance.now() - start < 4000);
      process.exit();
    `;
    expect(runChild(code)).toEqual({ status: 0, output: "0 true\n" });
  });
});

describe("poll", () => {
  test("reports which of a few descriptors are ready", () => {
    const fds = [createEventfd(), createEventfd()];
    const set = new PollSet(fds.map((fd) => ({ fd, events: POLLIN })));
    expect(set.wait(0)).toBe(0);
    ringEventfd(fds[1]!);
    expect(set.wait(-1)).toBe(1);
    expect([set.revents(0), set.revents(1)]).toEqual([0, POLLIN]);
    drainEventfd(fds[1]!);
    const start = performance.now();
    expect(set.wait(20)).toBe(0);
    expect(performance.now() - start).toBeGreaterThan(18);
    for (const fd of fds) closeFd(fd);
  });

  test("skips negative descriptors and names those that are not open", () => {
    const set = new PollSet([
      { fd: -1, events: POLLIN },
      { fd: 4000, events: POLLIN },
    ]);
    expect(set.wait(1000)).toBe(1);
    expect([set.revents(0), set.revents(1)]).toEqual([0, POLLNVAL]);
    expect(poll([{ fd: -1, events: POLLIN }], 0)).toBe(0);
  });
});
