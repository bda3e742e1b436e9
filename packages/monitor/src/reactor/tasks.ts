// Work that goes on in a later turn, in the order in which it was put.

/** Whatever can use up its budget and queue itself again. */
export interface Task {
  /** It stands in a queue: the queue's alone. */
  queued: boolean;
  run(): void;
}

/** Tasks that were run and still stand in the queue's array. */
const TASKS_DONE_KEPT = 4096;

export class TaskQueue {
  #tasks: Task[] = [];
  #first = 0;

  get length(): number {
    return this.#tasks.length - this.#first;
  }

  /** Once, however often it is asked. */
  put(task: Task): void {
    if (task.queued) return;
    task.queued = true;
    this.#tasks.push(task);
  }

  runFirst(): void {
    const task = this.#tasks[this.#first++];
    if (task === undefined) return;
    if (this.#first === this.#tasks.length) {
      this.#tasks.length = 0;
      this.#first = 0;
    } else if (this.#first >= TASKS_DONE_KEPT) {
      this.#tasks.splice(0, this.#first);
      this.#first = 0;
    }
    task.queued = false;
    task.run();
  }
}
