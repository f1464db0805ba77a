// Preloaded (`node --import`) into a gateway that shall die at a named moment: puts the real parts into wrappers as
// their modules are loaded, in every thread. Nothing of it is in src/, so nothing of it can be switched on there.
import { registerHooks } from 'node:module';

const SRC = new URL('../../src/', import.meta.url).href;
const AROUND = new URL('./around.ts', import.meta.url).href;
const REAL = '?real';

/** Which export of which module is wrapped by the function of that name in around.ts. A name that is gone ends it. */
const WRAPPED: ReadonlyMap<string, string> = new Map([
  ['ledger/key-files.ts', 'makeNextKey'],
  ['ledger/sealed-ledger.ts', 'openLedger'],
  ['budget/embedded-budget.ts', 'embeddedBudget'],
  ['budget/redis-budget.ts', 'openRedisBudget'],
  ['budget/redis-members.ts', 'RedisMembers'],
  ['gateway/evidence.ts', 'openEvidence'],
  ['gateway/wallets.ts', 'openConfiguredWallets'],
  ['gateway/services.ts', 'openServices'],
  ['state/batch.ts', 'BatchRunner'],
  ['state/database.ts', 'openDatabase'],
]);

registerHooks({
  load(url, context, next) {
    const name = url.startsWith(SRC) ? WRAPPED.get(url.slice(SRC.length)) : undefined;
    if (name === undefined) return next(url, context);
    const source = [
      `export * from '${url}${REAL}';`,
      `import { ${name} as real } from '${url}${REAL}';`,
      `import { ${name} as around } from '${AROUND}';`,
      `export const ${name} = around(real);`,
    ];
    return { format: 'module', source: source.join('\n'), shortCircuit: true };
  },
});
