// mount: a tree of files over one stream, with handles (PROTOCOL.md section 19). Here it is judged and opened; its
// relay is in relay.ts.

import { Errno, mountMessages, Protocol, type Refusal } from "@ringway/control";
import type { DiskResult } from "../../../disk/operations.ts";
import { joined } from "../../../disk/paths.ts";
import type { Stream } from "../../../guests/stream.ts";
import { type GuestName, shownPath, splitBytes } from "../../../policy/paths.ts";
import { refusal } from "../../../policy/refusal.ts";
import type { Decision, NamedFileDecision } from "../../../policy/types.ts";
import type { RelayHost } from "../../host.ts";
import type { Judged, ProtocolEntry } from "../../protocol.ts";
import { auditFailure, explainFailure, onDisk } from "../access.ts";
import { PendingRelay } from "../pending.ts";
import { decide, folderAttributes, shownNames } from "./places.ts";
import { MountRelay, REQUESTS_MAX } from "./relay.ts";

const { MountAttributes, MountReply, MountRequest } = mountMessages;

/** The folder that becomes the mount's root. */
interface AskedMount {
  readonly names: readonly GuestName[];
  /** None where it makes no sense. */
  readonly decision: (NamedFileDecision & { readonly leadsOn: boolean }) | undefined;
}

const SLASH = 0x2f;
const FOLDER = 2;

export const MOUNT: ProtocolEntry<AskedMount> = {
  judge({ matcher }, body) {
    const { path } = MountRequest.decode(body);
    const split = splitBytes(path);
    const mistake =
      path[0] === SLASH
        ? undefined
        : refusal(Errno.EINVAL, `the path ${JSON.stringify(shownPath([path]))} does not begin with "/"`);
    if (mistake !== undefined) return wrong(path, mistake, mistake);
    if ("problem" in split) {
      const denied = { errno: split.errno, rule: "path", reason: split.problem };
      return wrong(
        path,
        denied,
        split.errno === Errno.EACCES ? undefined : refusal(split.errno, split.problem),
      );
    }
    const { names } = split;
    const decision = decide(matcher, names, false);
    return { asked: { names, decision }, decision, what: shownNames(names) };
  },
  open(host, stream, requestId, { asked: { names, decision } }) {
    const { leadsOn, ruleIndex: root, depth, rule } = decision!;
    if (leadsOn) {
      serve(host, stream, requestId, names, folderAttributes(names));
      return;
    }
    const { folders } = stream.guest.policy;
    const { fd, reason } = folders.root(root);
    if (fd < 0) {
      stream.refuse(requestId, refusal(-fd, `the folder of rule "${rule}": ${reason}`));
      return;
    }
    const place = { tree: folders.tree, root, path: joined(names.slice(depth)), asFolder: true };
    const operation = { kind: "mount", mount: { kind: "mount-stat", place, follow: true } } as const;
    const opened = (result: DiskResult): void => {
      if (opening.disposed) {
        auditFailure(stream.guest, Protocol.MOUNT, shownNames(names), result);
        return;
      }
      if (result.errno !== 0) {
        stream.refuse(requestId, explainFailure(stream.guest, Protocol.MOUNT, shownNames(names), result));
        return;
      }
      const attributes = MountAttributes.decode(result.data!);
      if (attributes.kind === FOLDER) serve(host, stream, requestId, names, attributes);
      else stream.refuse(requestId, refusal(Errno.ENOTDIR, `${shownNames(names)} is no folder`));
    };
    const opening = new PendingRelay(stream, onDisk(host, stream, operation, opened), () => {}, false);
    stream.become(opening);
  },
};

function wrong(path: Uint8Array, denied: Refusal, mistake: Refusal | undefined): Judged<AskedMount> {
  const decision: Decision = { allowed: false, ...denied };
  return { asked: { names: [], decision: undefined }, decision, what: shownPath([path]), mistake };
}

function serve(
  host: RelayHost,
  stream: Stream,
  requestId: number,
  names: readonly GuestName[],
  attributes: mountMessages.Attributes,
): void {
  const { openFiles: handles } = stream.guest.policy.policy.limits;
  stream.become(new MountRelay(host, stream, names));
  stream.opened(requestId, MountReply.encode({ handles, requests: REQUESTS_MAX, ...attributes }));
  stream.run();
}
