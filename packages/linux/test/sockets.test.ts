import { describe, expect, test } from "vitest";
import {
  type Accepted,
  accept,
  bind,
  closeFd,
  connect,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  Errno,
  type InetAddress,
  inq,
  listen,
  localAddress,
  outq,
  recv,
  SharedMemory,
  send,
  setIpv6Only,
  setKeepAlive,
  setLingerZero,
  setNoDelay,
  setRecvBuffer,
  setReuseAddress,
  setSendBuffer,
  setUserTimeout,
  shutdownWrite,
  socketError,
  tcpSocket,
} from "../src/index.ts";
import { loopback, memory, waitFor } from "./helpers.ts";

/** A listener, a client and the server's end of it, on the loopback. */
function connection(family: 4 | 6): { listener: number; client: number; server: number; peer: InetAddress } {
  const listener = tcpSocket(family);
  expect(setReuseAddress(listener)).toBe(0);
  expect(bind(listener, loopback(family))).toBe(0);
  expect(listen(listener, 16)).toBe(0);
  const client = tcpSocket(family);
  expect([0, -Errno.EINPROGRESS]).toContain(connect(client, localAddress(listener)));
  expect(waitFor(listener, EPOLLIN)).toBe(EPOLLIN);
  const { fd: server, peer } = accept(listener) as Accepted;
  expect(server).toBeGreaterThan(0);
  expect(waitFor(client, EPOLLOUT)).toBe(EPOLLOUT);
  expect(socketError(client)).toBe(0);
  return { listener, client, server, peer };
}

function close({ listener, client, server }: { listener: number; client: number; server: number }): void {
  for (const fd of [listener, client, server]) closeFd(fd);
}

describe.each([4, 6] as const)("TCP over IPv%i", (family) => {
  test("carries bytes from one place in shared memory to another", () => {
    const fds = connection(family);
    using shared = SharedMemory.create("sockets", 8192);
    const bytes = new Uint8Array(shared.buffer);
    bytes.set([1, 2, 3, 4, 5], 100);
    expect(send(fds.client, shared.address + 100, 5)).toBe(5);
    expect(waitFor(fds.server, EPOLLIN)).toBe(EPOLLIN);
    expect(inq(fds.server)).toBe(5);
    expect(recv(fds.server, shared.address + 5000, 3)).toBe(3);
    expect(recv(fds.server, shared.address + 5003, 100)).toBe(2);
    expect([...bytes.subarray(5000, 5006)]).toEqual([1, 2, 3, 4, 5, 0]);
    expect(recv(fds.server, shared.address, 1)).toBe(-Errno.EAGAIN);
    close(fds);
  });

  test("knows the addresses of both ends", () => {
    const fds = connection(family);
    expect(fds.peer).toEqual(localAddress(fds.client));
    const { port } = localAddress(fds.listener);
    expect(port).toBeGreaterThan(0);
    expect(localAddress(fds.server)).toEqual(loopback(family, port));
    close(fds);
  });

  test("half-closes: the end of one direction leaves the other open", () => {
    const fds = connection(family);
    const { address } = memory(16);
    expect(shutdownWrite(fds.client)).toBe(0);
    expect(waitFor(fds.server, EPOLLIN | EPOLLRDHUP)).toBe(EPOLLIN | EPOLLRDHUP);
    expect(recv(fds.server, address, 16)).toBe(0);
    expect(send(fds.server, address, 4)).toBe(4);
    expect(waitFor(fds.client, EPOLLIN)).toBe(EPOLLIN);
    expect(recv(fds.client, address, 16)).toBe(4);
    expect(send(fds.client, address, 1)).toBe(-Errno.EPIPE);
    close(fds);
  });

  test("ends in ECONNRESET at the peer after a linger of zero", () => {
    const fds = connection(family);
    const { address } = memory(16);
    expect(setLingerZero(fds.client)).toBe(0);
    expect(closeFd(fds.client)).toBe(0);
    waitFor(fds.server, EPOLLIN);
    expect(recv(fds.server, address, 16)).toBe(-Errno.ECONNRESET);
    closeFd(fds.server);
    closeFd(fds.listener);
  });

  test("is refused where nobody listens", () => {
    const unused = tcpSocket(family);
    bind(unused, loopback(family));
    const client = tcpSocket(family);
    const result = connect(client, localAddress(unused));
    if (result === -Errno.EINPROGRESS) {
      waitFor(client, EPOLLOUT);
      expect(socketError(client)).toBe(-Errno.ECONNREFUSED);
      expect(socketError(client)).toBe(0);
    } else {
      expect(result).toBe(-Errno.ECONNREFUSED);
    }
    closeFd(client);
    closeFd(unused);
  });

  test("takes the options that a relay sets", () => {
    const fds = connection(family);
    expect(setNoDelay(fds.client)).toBe(0);
    expect(setNoDelay(fds.client, false)).toBe(0);
    expect(setKeepAlive(fds.client, 60, 10, 6)).toBe(0);
    expect(setUserTimeout(fds.client, 30_000)).toBe(0);
    expect(setSendBuffer(fds.client, 65536)).toBe(0);
    expect(setRecvBuffer(fds.client, 65536)).toBe(0);
    expect(outq(fds.client)).toBe(0);
    close(fds);
  });
});

describe("what a socket call refuses", () => {
  test("is told as a negative errno by the calls that run often", () => {
    const { address } = memory(1);
    const fd = tcpSocket(4);
    expect(recv(-1, address, 1)).toBe(-Errno.EBADF);
    expect(send(fd, address, 1)).toBe(-Errno.EPIPE);
    expect(recv(fd, address, 1)).toBe(-Errno.ENOTCONN);
    expect(accept(fd)).toBe(-Errno.EINVAL);
    expect(setKeepAlive(fd, 0, 1, 1)).toBe(-Errno.EINVAL);
    expect(shutdownWrite(fd)).toBe(-Errno.ENOTCONN);
    closeFd(fd);
    expect(closeFd(fd)).toBe(-Errno.EBADF);
  });

  test("includes memory that is not there, without harm", () => {
    const fds = connection(4);
    expect(send(fds.client, 16, 1)).toBe(-Errno.EFAULT);
    close(fds);
  });

  test("includes addresses that are not of their family, and ports that are none", () => {
    const fd = tcpSocket(4);
    expect(connect(fd, { family: 4, port: 1, address: new Uint8Array(16) })).toBe(-Errno.EINVAL);
    expect(bind(fd, { ...loopback(4), port: 65536 })).toBe(-Errno.EINVAL);
    expect(bind(fd, { family: 4, port: 0, address: new Uint8Array([192, 0, 2, 1]) })).toBe(
      -Errno.EADDRNOTAVAIL,
    );
    closeFd(fd);
  });

  test("is thrown where an address is asked for that is not there", () => {
    expect(() => localAddress(-1)).toThrow(
      expect.objectContaining({ code: "EBADF", syscall: "getsockname" }),
    );
  });

  test("includes a second listener on the same port, but not on the other family's", () => {
    const first = tcpSocket(6);
    expect(setIpv6Only(first)).toBe(0);
    expect(bind(first, loopback(6))).toBe(0);
    expect(listen(first, 1)).toBe(0);
    const second = tcpSocket(6);
    expect(bind(second, localAddress(first))).toBe(-Errno.EADDRINUSE);
    closeFd(first);
    closeFd(second);
  });
});
