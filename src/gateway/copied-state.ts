// Tells a state folder that was copied, or put back from a backup. Nothing in an old copy says that it is old; but a
// copy is a new file, and file systems say when a file was made. With Redis or a witness others know how far it came.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import type { Notes } from '../domain/account.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { DATABASE_FILE } from '../state/database.ts';

/** The state folder is a copy, and nobody has said that it is the newest; the message says what to do. */
export class StateCopied extends Error {}

/** What the check works with. */
export interface CopiedParts {
  readonly notes: Notes;
  readonly ledger: Ledger;
}

const NOTE = 'database made';

/**
 * Refuses a state folder whose database is another file than the one that was last in use, unless `accepted` names just
 * this copy: then that is sealed. Throws {@link StateCopied}. A file system that does not say when a file was made
 * tells no copy.
 */
export async function refuseCopy(
  config: Pick<Config, 'state' | 'budgets' | 'witnesses'>,
  { notes, ledger }: CopiedParts,
  accepted: string | null,
): Promise<void> {
  if (config.budgets.store !== 'embedded' || config.witnesses.length > 0) return;
  const { birthtimeNs } = statSync(join(config.state.dir, DATABASE_FILE), { bigint: true });
  const before = (await notes.read())[NOTE];
  if (birthtimeNs === 0n || before === `${birthtimeNs}`) return;
  if (before !== undefined && ledger.newest() > 0) await judge(config.state.dir, ledger, birthtimeNs, accepted);
  await notes.write({ [NOTE]: `${birthtimeNs}` });
}

async function judge(dir: string, ledger: Ledger, birthtimeNs: bigint, accepted: string | null): Promise<void> {
  const newest = `${ledger.log}.${ledger.newest()}`;
  const copy = `${newest}-${birthtimeNs.toString(36)}`;
  const made = new Date(Number(birthtimeNs / 1_000_000n)).toISOString();
  if (accepted !== copy) throw new StateCopied(copiedText(dir, made, newest, await sealedAt(ledger, newest), copy));
  const because = `its operator said that nothing was paid since ${newest}; the copy was made ${made}`;
  const change = { what: 'accept a copied state folder', outcome: 'applied', by: '--accept-copy', because } as const;
  await ledger.seal({ kind: 'operator', change });
}

async function sealedAt(ledger: Ledger, id: string): Promise<string> {
  return (await ledger.find(id))?.receipt.at ?? 'an unknown time';
}

function copiedText(dir: string, made: string, newest: string, at: string, copy: string): string {
  return (
    `the state folder ${dir} is a copy: its database was made anew ${made}, its last receipt is ${newest} of ${at}. ` +
    'What was spent after that receipt, here or elsewhere, is not known in it and would be spent again. ' +
    'Put the folder that was last in use back; or, if that is this one and it was only moved, start once with ' +
    `purser serve --accept-copy ${copy}`
  );
}
