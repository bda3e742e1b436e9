// What the main thread asks of those who follow conversations. Who begins to follow has every conversation that begins
// from now on, and in pieces those that are there (census-walk.ts); READY says that they are all followed.

import type { Attachment } from "../guests/attachment.ts";
import type { Follower } from "../observe/conversations/follower.ts";
import type { Followers } from "../observe/conversations/followers.ts";
import { EachStream, walked } from "./census-walk.ts";
import type { ToReactor } from "./messages.ts";

export type FollowMessage = Extract<
  ToReactor,
  { kind: "follow" | "unfollow" | "follow-room" | "follow-read" }
>;

export class FollowCalls {
  readonly #followers: Followers;
  readonly #guests: ReadonlySet<Attachment>;
  readonly #soon: (run: () => void) => void;
  readonly #unfollowed: (id: number) => void;

  /** `unfollowed`: nothing is put into that follower's ring any more. */
  constructor(
    followers: Followers,
    guests: ReadonlySet<Attachment>,
    soon: (run: () => void) => void,
    unfollowed: (id: number) => void,
  ) {
    this.#followers = followers;
    this.#guests = guests;
    this.#soon = soon;
    this.#unfollowed = unfollowed;
  }

  /** Something is due that waits for who follows. */
  get areDue(): boolean {
    return this.#followers.areDue;
  }

  take(message: FollowMessage): void {
    const { id } = message;
    switch (message.kind) {
      case "follow":
        this.#walk(this.#followers.add(id, message.options));
        return;
      case "unfollow":
        this.#followers.delete(id);
        this.#unfollowed(id);
        return;
      case "follow-room":
        this.#followers.of(id)?.room();
        return;
      case "follow-read":
        this.#followers.of(id)?.read(message.conversation, message.bytes, message.isOver);
    }
  }

  #walk(follower: Follower): void {
    const each = new EachStream(this.#guests, ({ life }) => !life.over);
    const walk = walked(() => {
      const step = each.step();
      if (typeof step === "string") return step;
      step.follow(follower);
      return "taken";
    });
    const piece = (): void => {
      if (follower.isOver) return;
      if (walk.piece([])) follower.ready();
      else this.#soon(piece);
    };
    this.#soon(piece);
  }
}
