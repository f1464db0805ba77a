import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { openSandboxWallet } from '../../src/rail/sandbox.ts';
import { authorization, challengeOf, sandboxOffer, usd } from '../rail/support.ts';
import { type HostileMerchant, type HostileOptions, hostileMerchant } from './hostile-merchant.ts';
import { sandboxChallenge } from './sandbox-challenge.ts';
import * as script from './script.ts';

const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const random = { bytes: (length: number) => randomBytes(length) };
const wallet = openSandboxWallet({ id: 'play', pem, proofLifetimeMs: 60_000, random });
let merchant: HostileMerchant;
afterEach(() => merchant.close());

async function start(options: HostileOptions = {}): Promise<string> {
  merchant = await hostileMerchant(options);
  return merchant.url;
}

/** Fetches, pays what is demanded, and answers with the second request, to be sent as often as wanted. */
async function payer(url: string): Promise<() => Promise<Response>> {
  const challenge = challengeOf(await fetch(url));
  const proof = await wallet.prove(wallet.plan(sandboxOffer({ challenge }), Date.now()), usd);
  return () => fetch(url, { headers: { authorization: authorization(challenge, proof) } });
}

test('its books have each valid payment once, and count replays and worthless ones', async () => {
  const url = await start({ paid: script.answer(500) });
  const pay = await payer(url);
  expect((await pay()).status).toBe(500);
  expect((await pay()).status).toBe(500);
  expect(merchant.books.taken).toMatchObject([{ request: { amount: '10', currency: 'usd', recipient: 'acme' } }]);
  expect(merchant.books.replays).toBe(1);
  await fetch(url, { headers: { authorization: 'Payment e30' } });
  expect(merchant.books.worthless).toHaveLength(1);
});

test('it captures each request as it came, also on one connection', async () => {
  await start();
  const socket = connect(merchant.port, '127.0.0.1');
  socket.write('POST /a?b=%2f HTTP/1.1\r\nhost: x\r\nX-Odd:  1\r\nContent-Length: 3\r\n\r\nabc');
  await merchant.read(1);
  socket.write('GET /second HTTP/1.1\r\nhost: x\r\n\r\n');
  await merchant.read(2);
  socket.destroy();
  const [first, second] = merchant.requests;
  expect(first).toMatchObject({ method: 'POST', target: '/a?b=%2f', paid: false });
  expect(first?.body.toString()).toBe('abc');
  expect(first?.raw.toString()).toMatch(/^POST .*X-Odd: {2}1.*abc$/s);
  expect(second?.raw.toString()).toBe('GET /second HTTP/1.1\r\nhost: x\r\n\r\n');
});

test('it writes the challenges it was given, one line each', async () => {
  const twice = [sandboxChallenge({ params: { id: 'one' } }), sandboxChallenge({ params: { id: 'two' } })];
  const answered = await fetch(await start({ challenge: twice }));
  expect(answered.headers.get('www-authenticate')).toBe(twice.join(', '));
});

test('it resets, cuts bodies short, redirects, sends interim answers and huge headers', async () => {
  const behaviours: [script.Script, (answered: Promise<Response>) => Promise<unknown>][] = [
    [script.resetAfter(), (answered) => expect(answered).rejects.toThrow()],
    [script.resetAfter(30), (answered) => expect(answered).rejects.toThrow()],
    [script.closeAfter(80), async (answered) => expect((await answered).text()).rejects.toThrow()],
    [script.hugeHeaders(100_000), (answered) => expect(answered).rejects.toThrow()],
    [script.interim(103, [['Link', '</a>']], script.goods), async (answered) => expect((await answered).ok).toBe(true)],
    [script.slowly(script.goods, 16, 1), async (answered) => expect((await answered).ok).toBe(true)],
    [script.redirect(302, '/x'), async (answered) => expect((await answered).status).toBe(302)],
  ];
  const url = await start({ unpaid: (nth) => behaviours[nth - 1]?.[0] ?? script.goods });
  for (const [, judge] of behaviours) await judge(fetch(url, { redirect: 'manual' }));
});

test('it can act before the body is there', async () => {
  await start({ readBody: false });
  const socket = connect(merchant.port, '127.0.0.1');
  socket.write('POST / HTTP/1.1\r\nhost: x\r\nContent-Length: 1000000\r\n\r\nabc');
  const [first] = await new Promise<Buffer[]>((resolve) => socket.once('data', (bytes) => resolve([bytes])));
  socket.destroy();
  expect(first?.toString()).toMatch(/^HTTP\/1.1 402 /);
});
