// Writes the vectors, packages/conformance/vectors/*.json, from the catalogue and from what stands here. Nothing of
// @ringway/control is used: what it does is what the vectors judge.
//
//   npx tsx test/conformance/generate.ts

import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { SHAPES } from "../../packages/conformance/src/catalogue.ts";
import type { Vector } from "../../packages/conformance/src/vectors.ts";
import { frameVectors } from "./generate/frames.ts";
import { forgetShown } from "./generate/malformed.ts";
import { messageVectors } from "./generate/messages.ts";
import { attachVectors, helloVectors, superblockVectors } from "./generate/region.ts";
import { bellVectors, ringVectors } from "./generate/rings.ts";

const of = (...names: string[]): Vector[] => names.flatMap((name) => messageVectors(name, SHAPES[name]!));

/** What each file holds, as text: one vector on a line. */
export function generate(): Map<string, string> {
  forgetShown();
  const files: Record<string, readonly Vector[]> = {
    "superblock.json": superblockVectors(),
    "attach.json": attachVectors(),
    "hello.json": helloVectors(),
    "ring.json": ringVectors,
    "bell.json": bellVectors(),
    "frames.json": frameVectors,
    "common.json": of("Error", "Done", "StatReply"),
    "control.json": of(
      "NewStream",
      "StreamInfo",
      "GetArgs",
      "Args",
      "Log",
      "Exit",
      "Ping",
      "Pong",
      "Explain",
      "Verdict",
    ),
    "stream.json": of("Open", "Opened", "Refused"),
    "tcp.json": of("ConnectRequest", "ConnectReply", "ListenRequest", "ListenReply", "Accept", "Incoming"),
    "file.json": of(
      ...[
        "FileOpen",
        "FileOpened",
        "Read",
        "Data",
        "Write",
        "Written",
        "ReadAt",
        "WriteAt",
        "Seek",
        "Position",
      ],
      ...["FileStat", "Truncate", "Sync", "Close"],
    ),
    "file-stream.json": of("FileStreamOpen", "FileStreamOpened", "WriteDone", "WriteFailed"),
    "fs.json": of(
      ...["Stat", "Lstat", "ReadDir", "Entries", "Mkdir", "Unlink", "Rmdir", "Rename", "Symlink", "Readlink"],
      ...["Target", "Chmod", "Utimes", "Statfs", "StatfsReply"],
    ),
    "udp.json": of(
      ...[
        "UdpBindRequest",
        "UdpSend",
        "UdpReceived",
        "UdpSendTo",
        "UdpReceivedFrom",
        "UdpLookup",
        "UdpPeer",
        "UdpSet",
        "UdpInterface",
        "UdpJoin",
        "UdpLeave",
        "UdpError",
        "UdpLost",
      ],
    ),
    "resolve.json": of("Resolve", "Addresses", "Reverse", "Names"),
    "unix.json": of(
      ...[
        "UnixConnectRequest",
        "UnixConnectReply",
        "UnixListenRequest",
        "UnixSend",
        "UnixReceived",
        "UnixIncoming",
      ],
    ),
    "mount.json": of(
      ...[
        "MountRequest",
        "MountReply",
        "MountOpen",
        "MountHandle",
        "MountRelease",
        "MountRead",
        "MountWrite",
        "MountFlush",
        "MountFsync",
        "MountFallocate",
        "MountCopyRange",
        "MountSeek",
        "MountLock",
        "MountTestLock",
        "MountLockFound",
        "MountStat",
        "MountAttributes",
        "MountSetAttr",
        "MountReadDir",
        "MountNames",
        "MountReadDirPlus",
        "MountEntries",
        "MountMkdir",
        "MountMknod",
        "MountSymlink",
        "MountLink",
        "MountReadlink",
        "MountUnlink",
        "MountRmdir",
        "MountRename",
        "MountStatfs",
        "MountGetXattr",
        "MountSetXattr",
        "MountListXattr",
        "MountXattrs",
        "MountRemoveXattr",
        "MountWatch",
        "MountWatching",
        "MountUnwatch",
        "MountEvent",
        "MountCancel",
      ],
    ),
  };
  return new Map(
    Object.entries(files).map(([file, vectors]) => [
      file,
      `[\n${vectors.map((each) => JSON.stringify(each)).join(",\n")}\n]\n`,
    ]),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = new URL("../../packages/conformance/vectors/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  for (const [file, contents] of generate()) writeFileSync(new URL(file, folder), contents);
}
