// What `purser audit --help` says below its flags: the sides, the columns of books, and what each difference means.
import { DIFFERENCES } from '../audit/difference.ts';

const kinds = Object.entries(DIFFERENCES).map(([kind, what]) => `  ${kind.padEnd(25)}${what}`);

/** Ready to print. */
export const AUDIT_HELP = `
Compared with the receipts are the budget store (every counter that counts now, every open hold), the chains (--chain:
every finalised transfer since the log began, by wallets that receipts or config.yaml name), and the books of payees
(--books). Books are CSV in UTF-8 whose first line names these columns, in any order, and maybe others:
  payment   its name on its rail: "proof.identity" of the receipt, or what stands after its last colon (the nonce)
  amount    in atoms of the asset, a whole number
  asset     the id of the asset in config.yaml, or its token there
  payee     who was paid
  at        when, such as 2026-11-23T10:00:00Z

Books answer for the payees they have a row of, and for those named by --payee. Without a time all receipts are
compared; with one, what was intended in it: say --until where books end before the receipts do. What is uncertain is
listed apart and is no difference. What a gateway was doing while it was asked may be on either side.

Differences:
${kinds.join('\n')}`;
