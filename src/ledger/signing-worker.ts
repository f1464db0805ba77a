// The second thread of signing.ts: takes what is not taken yet, and ends itself when nothing comes for a while, so that
// the key lies nowhere longer than it is needed.
import { parentPort } from 'node:worker_threads';
import { signInput } from './chain.ts';
import { type Order, SharedPiece } from './signing.ts';

const IDLE_MS = 1_000;

let idle: NodeJS.Timeout | undefined;

parentPort?.on('message', ({ key, inputs, shared }: Order) => {
  clearTimeout(idle);
  const piece = new SharedPiece(shared);
  for (const [at, input] of inputs.entries()) {
    if (piece.take(at)) piece.put(at, signInput(input, key));
  }
  idle = setTimeout(() => parentPort?.close(), IDLE_MS);
});
