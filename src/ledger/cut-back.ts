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
  db.prepare('DELETE FROM unfinished WHERE intended > ?').run(seq);
  db.prepare('UPDATE unfinished SET outcome = NULL WHERE outcome > ?').run(seq);
}
