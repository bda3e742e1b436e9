// What an inspection finds: everything that lies in a region, and the clauses of PROTOCOL.md that it breaks.

/** Who wrote what is wrong; "either" where two words do not go together. */
export type Party = "guest" | "host" | "either";

/** A clause that is broken for certain. */
export interface Finding {
  /** Of PROTOCOL.md: "RING-4". */
  readonly clause: string;
  readonly by: Party;
  /** Where in the region, in bytes. */
  readonly offset: number;
  /** What lies there: "stream 3 toHost write position". */
  readonly where: string;
  /** A sentence. */
  readonly what: string;
}

/** The words of the superblock (SB-1), as they were at one moment; heartbeats apart. */
export interface SuperblockPicture {
  readonly versionMajor: number;
  readonly versionMinor: number;
  readonly regionPages: number;
  readonly featuresOffered: number;
  readonly bellPage: number;
  readonly controlPage: number;
  readonly controlToHostBytes: number;
  readonly controlToGuestBytes: number;
  readonly maxStreamId: number;
  readonly epoch: number;
  /** A HostState, where it is one. */
  readonly hostState: number;
  readonly attachReply: number;
  /** A Violation; 0: none. */
  readonly violation: number;
  readonly attachRequest: number;
  /** A GuestState, where it is one. */
  readonly guestState: number;
  readonly featuresAccepted: number;
  readonly guestVersionMinor: number;
  readonly hostHeartbeat: number;
  readonly guestHeartbeat: number;
}

/** One direction's doorbell (BELL-1). Its words are of about the same time, not of one moment. */
export interface BellPicture {
  /** Of the receiver: 1 asleep, 0 awake. */
  readonly asleep: number;
  readonly top: number;
  /** Streams whose leaf bit is set, in order. */
  readonly pending: readonly number[];
}

/** One ring of a pipe (PIPE-1). */
export interface RingPicture {
  /** In bytes; undefined where nothing in the region tells it. */
  readonly capacity: number | undefined;
  readonly written: number;
  readonly read: number;
  /** written - read, modulo 2^32: bytes to be read, at most the capacity. */
  readonly fill: number;
  /** A Closed, where it is one. */
  readonly producerClosed: number;
  readonly consumerClosed: number;
  readonly wantSpace: number;
  readonly wantData: number;
}

export interface PipePicture {
  /** 0: the control pipe. */
  readonly id: number;
  readonly generation: number;
  /** First page of its block. */
  readonly page: number;
  /**
   * How its place is known: from the superblock; from a StreamInfo that still lies in the control pipe; or only because
   * a page looks like the header of its block. Of the last nothing is certain: it may be left from an earlier epoch.
   */
  readonly from: "superblock" | "StreamInfo" | "page";
  /** False: it moved each time that it was looked at, so that its words are of different moments. */
  readonly still: boolean;
  readonly toHost: RingPicture;
  readonly toGuest: RingPicture;
}

export interface RegionReport {
  /** Bytes that are there. */
  readonly bytes: number;
  readonly superblock: SuperblockPicture;
  /** Why nothing but the superblock was looked at: a sentence; undefined where all was. */
  readonly unused: string | undefined;
  readonly bells: { readonly toHost: BellPicture; readonly toGuest: BellPicture } | undefined;
  /** The control pipe first, then streams by id. */
  readonly pipes: readonly PipePicture[];
  /** Clauses that are broken, in the order of what was looked at. Empty: the region is sound. */
  readonly findings: readonly Finding[];
  /** What breaks no clause, and may be what its reader looks for. */
  readonly notes: readonly string[];
}
