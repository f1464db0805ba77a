// Where a command reads its environment and writes its answer; handed in, so that commands can run inside a test.

/** The world of one command. */
export interface Io {
  /** To standard output, as it is. */
  out(text: string): void;
  /** To standard error, as it is. */
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
}
