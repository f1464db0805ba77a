// The way back to a mark: the only place where anything of the log is ever taken away.
import type { DatabaseSync } from 'node:sqlite';
import { cutAccount } from './account-tables.ts';
import { cutCheckpoints } from './checkpoints.ts';
import { cutLogKeys } from './log-keys.ts';
import { cutTree } from './tree.ts';

/**
 * Takes away receipts beyond `seq` that no caller was ever told of: their commit failed and came back with the file.
 */
export function cutBack(db: DatabaseSync, seq: number): void {
  if (!db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'receipts'").get()) return;
  db.prepare('DELETE FROM receipts WHERE seq > ?').run(seq);
  cutAccount(db, seq);
  cutLogKeys(db, seq);
  cutTree(db, seq);
  cutCheckpoints(db, seq);
  cutUnfinished(db, seq);
}

/**
 * An outcome that is gone leaves what was unfinished before it: an earlier outcome, the intent, or nothing, where the
 * earlier outcome was applied and forgotten.
 */
function cutUnfinished(db: DatabaseSync, seq: number): void {
  db.prepare('DELETE FROM unfinished WHERE intended > ? OR (intended IS NULL AND outcome > ?)').run(seq, seq);
  const earlier = `SELECT max(r.seq) FROM receipts i JOIN receipts r ON r.exchange = i.exchange
    WHERE i.seq = unfinished.intended AND r.kind IN ('settled', 'voided', 'uncertain', 'resolved')
      AND json_extract(r.bytes, '$.hold.id') = unfinished.hold`;
  db.prepare(`UPDATE unfinished SET outcome = (${earlier}) WHERE outcome > ?`).run(seq);
}
