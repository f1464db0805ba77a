// Bytes to lines, strictly: UTF-8 without repair, every line ended by a line feed, none longer than a limit. What is
// read this way can be written back to the same bytes.

/** The most bytes one line of an export may have. */
export const MAX_LINE_BYTES = 4 * 1024 * 1024;

/** The lines of a byte stream without their line feeds. Throws Error for what is not such a text; memory stays flat. */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  for await (const lines of readByteLines(chunks)) for (const line of lines) yield decode(decoder, line);
}

/**
 * As {@link readLines}, but as bytes, and all lines that a chunk ends at once, which costs a reader of whole logs much
 * less; lines are good until the next ones are asked for.
 */
export async function* readByteLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Uint8Array[]> {
  let rest: Uint8Array[] = [];
  let restBytes = 0;
  for await (const chunk of chunks) {
    const lines: Uint8Array[] = [];
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      const part = chunk.subarray(from, end);
      lines.push(rest.length === 0 ? part : Buffer.concat([...rest, part]));
      rest = [];
      restBytes = 0;
      from = end + 1;
    }
    yield lines;
    if (from < chunk.length) {
      rest.push(chunk.subarray(from));
      restBytes += chunk.length - from;
    }
    if (restBytes > MAX_LINE_BYTES) throw new Error(`a line is longer than ${MAX_LINE_BYTES} bytes`);
  }
  if (restBytes > 0) throw new Error('the last line does not end in a line feed: the file is cut short');
}

function decode(decoder: InstanceType<typeof TextDecoder>, line: Uint8Array): string {
  try {
    return decoder.decode(line);
  } catch {
    throw new Error('a line is not UTF-8');
  }
}
