// From the start of the process to ready, with the embedded defaults, beside a Node that does nothing.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { spawnGateway } from '../support/gateway.ts';
import { interleaved, row, verdict } from './figures.ts';

/** Start-up in milliseconds: the first round makes the keys of the state folder, as a first start does. */
export async function benchStart({ quick }: { readonly quick: boolean }): Promise<boolean[]> {
  console.log('\nStart-up');
  const found = await interleaved(quick ? 3 : 9, {
    bare: () => timed(async () => void (await once(spawn(process.execPath, ['-e', '0']), 'exit'))),
    ready: async () => {
      const began = performance.now();
      const gateway = await spawnGateway();
      const took = performance.now() - began;
      await gateway.close();
      return took;
    },
  });
  row('a Node that does nothing, to its end', found.bare, 'ms');
  const goal = { atMost: 1_000 };
  return [
    verdict({ name: 'purser serve, until both ports listen', rounds: found.ready, goal, unit: 'ms', inTheWay: LOAD }),
  ];
}

const LOAD = 'loading modules takes most of it; see the ratio to a bare Node, which grows with what else runs here.';

async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
