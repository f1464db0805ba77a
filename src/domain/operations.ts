// The work that may be asked of the state thread. Rooms that keep state in its database export such a table of
// operations; none of them may begin, commit or roll back a transaction itself.

/** One kind of work on the state database; it runs inside a transaction that others' work may share. */
export interface Operation {
  /** Its batch is synced to disk before its caller is answered. */
  readonly durable: boolean;
  /**
   * Does the work, synchronously. Argument and result cross a thread: structured-clonable values only. When it throws,
   * what it wrote is rolled back and the caller gets an error of the same message and `code`.
   */
  run(argument: unknown): unknown;
}

/** Operations by name; a name begins with its room (`ledger.seal`). */
export type Operations = Readonly<Record<string, Operation>>;

/** What the rooms outside the thread see of it. */
export interface StateAccess {
  /**
   * Runs one operation; resolves once its batch is committed (and synced, when it is durable). Rejects with an Error
   * whose `code` is the operation's own, or `state_unavailable` when the batch could not be written or the thread is
   * gone: then nothing of it was kept.
   */
  call<T>(operation: string, argument: unknown): Promise<T>;
  /** Did the last write work, and is there more room on the disk than the reserve? */
  ready(): boolean;
  /** Why it is not ready, and what to do, in a few words for everybody; null when it is. */
  trouble(): string | null;
}

/** An Error with a stable `code`, as it crosses the thread. */
export function codedError(code: string, message: string, cause?: unknown): Error & { readonly code: string } {
  return Object.assign(new Error(message, cause === undefined ? undefined : { cause }), { code });
}

/** The stable `code` of an error, or undefined when it has none. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
