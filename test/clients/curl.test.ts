// curl with the agent's token as the password in the URL, told to retry everything: it buys once.
import { describe, expect, test } from 'vitest';
import { WORDS } from '../fakes/model-shop.ts';
import {
  type Buyer,
  expectNoToken,
  FAILURES,
  type Finished,
  HANGS,
  installed,
  ONCE,
  openStand,
  PATIENCE_MS,
  run,
  standOfFile,
} from './support.ts';

const there = await installed('curl');
const stand = standOfFile();

const RETRYING = ['--fail-with-body', '--retry', '2', '--retry-delay', '1', '--retry-all-errors'];

function curl(
  { base, token }: Buyer,
  path: string,
  args: readonly string[] = [],
  seen?: (stdout: string) => void,
): Promise<Finished> {
  const url = `${base}${path}`.replace('http://', `http://agent:${token}@`);
  return run('curl', ['-q', '-sS', '-N', '-i', '--noproxy', '*', ...args, url], seen ? { seen } : {});
}

describe.skipIf(!there)('curl', () => {
  test('buys a whole answer', async () => {
    const buyer = await stand.buyer('deliver');
    const { code, stdout } = await curl(buyer, '/v1/answer');
    expect(code).toBe(0);
    expect(stdout).toContain(WORDS.join(''));
    expect(stdout).toContain('state=settled');
    expect(await buyer.spent()).toEqual(ONCE);
    expectNoToken(stand, buyer);
  });

  test('gets a streamed answer as it is produced', async () => {
    const buyer = await stand.buyer('deliver');
    const { code, stdout } = await curl(buyer, '/v1/answer?stream', [], (seen) => {
      if (seen.includes(WORDS[0])) stand.shop.goOn();
    });
    expect(code).toBe(0);
    expect(stdout).toContain(WORDS[1]);
    expect(await buyer.spent()).toEqual(ONCE);
  });

  test.concurrent.for(FAILURES)(
    'paid, then $after: its retries buy nothing, and it says why',
    async (failure, { onTestFinished }) => {
      const own = await openStand();
      onTestFinished(() => own.close());
      const buyer = await own.buyer(failure.after);
      const { code, stdout } = await curl(buyer, '/v1/answer', RETRYING);
      expect(code).not.toBe(0);
      expect(stdout.match(/HTTP\/1\.1 424 /g)?.length).toBe(3);
      expect(stdout).toMatch(failure.title);
      expect(stdout).toMatch(failure.detail);
      expect(await buyer.spent()).toEqual(ONCE);
    },
  );

  test('paid, then silence past its time-out: its retries are the same purchase, and it says why', async () => {
    const buyer = await stand.buyer('hang');
    const patience = ['--max-time', String(PATIENCE_MS / 1_000)];
    const { code, stdout } = await curl(buyer, '/v1/answer', [...RETRYING, ...patience]);
    expect(code).not.toBe(0);
    expect(stdout).toMatch(HANGS.title);
    expect(stdout).toMatch(HANGS.detail);
    expect(await buyer.spent()).toEqual(ONCE);
  });
});
