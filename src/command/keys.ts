// `purser keys list` and `purser keys rotate`: which keys sign the receipt log, and a new one for it.
import { type NoteKey, originOf, writeKey } from '../domain/note.ts';
import { ownKeys } from '../ledger/own-log.ts';
import { asOperator, type OrderOptions } from './as-operator.ts';
import type { Io } from './io.ts';
import { type LogOptions, reading, withExit } from './on-log.ts';
import { table, visible } from './table.ts';

/** A rotation, and why. */
export interface RotateOptions extends OrderOptions {
  readonly because: string;
}

/** Prints the public keys, the current one last, as verifiers of receipts and as witnesses know them. */
export function listKeys(options: LogOptions, io: Io): Promise<number> {
  return withExit(io, () =>
    reading(options, io, (reader, dir) => {
      const jwks = ownKeys(reader, dir);
      if (options.json) {
        io.out(`${JSON.stringify(jwks)}\n`);
        return 0;
      }
      const rows = jwks.keys.map(({ kid, seq, x }) => [String(seq), String(kid), witnessed(reader.log, String(x))]);
      io.out(table(rows, ['from seq', 'kid', 'key for witnesses']));
      return 0;
    }),
  );
}

/** Gives the log a new key; exit code 0 once the receipt of it is durable. */
export function rotateKey(options: RotateOptions, io: Io): Promise<number> {
  return asOperator(options, io, async (operator) => {
    const outcome = await operator.rotateKey({ because: options.because });
    if (options.json) io.out(`${visible(JSON.stringify(outcome))}\n`);
    else io.out(`The log has a new key. Receipt ${visible(outcome.receipt)}. See "purser keys list".\n`);
    return 0;
  });
}

function witnessed(log: string, x: string): string {
  const key: NoteKey = { kind: 'log', name: originOf(log), publicKey: new Uint8Array(Buffer.from(x, 'base64url')) };
  return writeKey(key);
}
