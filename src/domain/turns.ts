// One after the other, for each name: so that two who would end the same hold cannot do it at once.

/** Turns of this process; work under other names does not wait. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs when everything that was asked for before under this name has ended, well or not. */
  take<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const result = (this.#last.get(name) ?? Promise.resolve()).then(work);
    const ended = result.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(name, ended);
    void ended.then(() => {
      if (this.#last.get(name) === ended) this.#last.delete(name);
    });
    return result;
  }
}
