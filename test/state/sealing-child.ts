// A process of its own that seals on a state folder: told what to do over IPC, or sealing for as long as it lives.
import { writeSync } from 'node:fs';
import { openLedger } from '../../src/ledger/sealed-ledger.ts';
import { openState } from '../../src/state/thread.ts';

const [dir = '', mode = 'obey'] = process.argv.slice(2);
const worker = new URL('../../src/state-worker.ts', import.meta.url);

async function start(): Promise<void> {
  const state = await openState({ worker, data: { dir, diskReserveBytes: 0, development: false, embedded: null } });
  const ledger = await openLedger(state);
  const filler = 'x'.repeat(20_000);
  const seal = async (): Promise<string> => {
    const sealed = await ledger.seal({ kind: 'operator', change: { what: filler, outcome: 'applied' } });
    return sealed.receipt.id;
  };
  if (mode === 'loop') {
    const forever = async (): Promise<void> => {
      for (;;) writeSync(1, `${await seal()}\n`);
    };
    await Promise.all([forever(), forever(), forever(), forever()]);
  }
  process.on('message', async (order) => {
    if (order === 'close') {
      await state.close();
      process.disconnect();
      return;
    }
    const answer = await seal().then(
      (id) => ({ id }),
      (error) => ({ code: error.code }),
    );
    process.send?.({ ...answer, ready: ledger.ready() });
  });
  process.send?.('open');
}

start().catch((error) => process.send?.({ code: error.code, message: error.message }));
