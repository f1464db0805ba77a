// Accounts and notes for tests and measurements in which a gateway has no receipts.
import type { Account, Notes } from '../../src/domain/account.ts';

/** The account of a gateway that has bought nothing. */
export const EMPTY_ACCOUNT: Account = {
  sealed: () => 0,
  fold: async () => 0,
  totals: async () => [],
  holds: async () => [],
  orders: async () => [],
  others: async () => [],
};

/** Notes that are kept as long as the process. */
export function notesInMemory(): Notes {
  const kept = new Map<string, string>();
  return {
    read: async () => Object.fromEntries(kept),
    write: async (notes) => {
      for (const [name, text] of Object.entries(notes)) kept.set(name, text);
    },
  };
}
