// Python's urllib with the agent's token as a password: it buys once, and its errors carry the reason phrase.
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
  PATIENCE_MS,
  run,
  standOfFile,
} from './support.ts';

const there = await installed('python3');
const stand = standOfFile();

/** Takes a URL with user and password, and a time-out in seconds. */
const SCRIPT = `
import sys, urllib.error, urllib.parse, urllib.request
parts = urllib.parse.urlsplit(sys.argv[1])
url = parts._replace(netloc=f'{parts.hostname}:{parts.port}').geturl()
passwords = urllib.request.HTTPPasswordMgrWithPriorAuth()
passwords.add_password(None, url, parts.username, parts.password, is_authenticated=True)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPBasicAuthHandler(passwords))
try:
    with opener.open(url, timeout=float(sys.argv[2])) as answer:
        for line in answer:
            print(line.decode(), end='', flush=True)
except urllib.error.HTTPError as error:
    print(error)
except OSError as error:
    print('gave up:', error)
`;

function urllib({ base, token }: Buyer, path: string, seen?: (stdout: string) => void): Promise<Finished> {
  const url = `${base}${path}`.replace('http://', `http://agent:${token}@`);
  const seconds = String(seen ? 60 : PATIENCE_MS / 1_000);
  return run('python3', ['-', url, seconds], seen ? { input: SCRIPT, seen } : { input: SCRIPT });
}

describe.skipIf(!there)("Python's urllib", () => {
  test('buys a whole answer', async () => {
    const buyer = await stand.buyer('deliver');
    const { stdout } = await urllib(buyer, '/v1/answer', () => {});
    expect(JSON.parse(stdout)).toEqual({ answer: WORDS.join('') });
    expect(await buyer.spent()).toEqual(ONCE);
    expectNoToken(stand, buyer);
  });

  test('gets a streamed answer as it is produced', async () => {
    const buyer = await stand.buyer('deliver');
    const { stdout } = await urllib(buyer, '/v1/answer?stream', stand.shop.goOn);
    expect(stdout).toBe(WORDS.map((word) => `data: ${word}\n\n`).join(''));
    expect(await buyer.spent()).toEqual(ONCE);
  });

  for (const { after, title } of FAILURES) {
    test(`paid, then ${after}: one payment, also when it is run again, and it says why`, async () => {
      const buyer = await stand.buyer(after);
      for (let time = 0; time < 2; time += 1) {
        const { stdout } = await urllib(buyer, '/v1/answer', () => {});
        expect(stdout).toMatch(/^HTTP Error 424: /);
        expect(stdout).toMatch(title);
      }
      expect(await buyer.spent()).toEqual(ONCE);
    });
  }

  test('paid, then silence past its time-out: running it again is the same purchase', async () => {
    const buyer = await stand.buyer('hang');
    expect((await urllib(buyer, '/v1/answer')).stdout).toMatch(/^gave up: /);
    expect((await urllib(buyer, '/v1/answer', () => {})).stdout).toMatch(HANGS.title);
    expect(await buyer.spent()).toEqual(ONCE);
  });
});
