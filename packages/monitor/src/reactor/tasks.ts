// Work that goes on in a later turn, in the order in which it was put.

/** Whatever can use up its budget and queue itself again. */
export interface Task {
  /** It stands in a queue: the queue's alone. */
  queued: boolean;
  run(): void;
}

/** Places in the queue's array that are kept, and that were run and are not moved up yet. */
const PLACES_KEPT = 4096;

export class TaskQueue {
  /** Those that wait are from #first on, before #end. The array stays as long as it once was: no turn makes one. */
  #tasks: (Task | undefined)[] = [];
  #first = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#first;
  }

  /** Once, however often it is asked. */
  put(task: Task): void {
    if (task.queued) return;
    task.queued = true;
    this.#tasks[this.#end++] = task;
  }

  runFirst(): void {
    if (this.#first === this.#end) return;
    const task = this.#tasks[this.#first]!;
    this.#tasks[this.#first++] = undefined;
    if (this.#first === this.#end) {
      this.#first = this.#end = 0;
      if (this.#tasks.length > PLACES_KEPT) this.#tasks = [];
    } else if (this.#first >= PLACES_KEPT) {
      this.#tasks.splice(0, this.#first);
      this.#end -= this.#first;
      this.#first = 0;
    }
    task.queued = false;
    task.run();
  }
}
