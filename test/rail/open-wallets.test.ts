import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { openWallets } from '../../src/rail/open-wallets.ts';

const random = { bytes: (length: number) => randomBytes(length) };
const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const lifetime = { proofLifetimeMs: 60_000 };

test('wallets are opened in the order of the configuration, each on its rail', async () => {
  const wallets = await openWallets(
    [
      { rail: 'sandbox', id: 'play', pem, ...lifetime },
      { rail: 'evm', id: 'treasury', key: randomBytes(32).toString('hex'), networks: ['eip155:1'], ...lifetime },
    ],
    random,
  );
  expect(wallets.map(({ id, answers }) => [id, answers])).toEqual([
    ['play', ['sandbox/charge']],
    ['treasury', ['evm/charge']],
  ]);
});

test('the first wallet that cannot be opened is named', async () => {
  const wallets = [
    { rail: 'sandbox', id: 'play', pem, ...lifetime },
    { rail: 'evm', id: 'treasury', key: 'none', networks: [], ...lifetime },
  ] as const;
  await expect(openWallets(wallets, random)).rejects.toThrow(/wallet "treasury"/);
});

test('viem is loaded for an evm wallet and for nothing else', () => {
  const loaded = (options: object) => {
    const room = new URL('../../src/rail/', import.meta.url).href;
    const program = `
      import { registerHooks } from 'node:module';
      const seen = [];
      registerHooks({ load(url, context, next) { seen.push(url); return next(url, context); } });
      await import('${room}rail.ts');
      const { openWallets } = await import('${room}open-wallets.ts');
      await openWallets([${JSON.stringify(options)}], { bytes: (length) => new Uint8Array(length) });
      console.log(seen.some((url) => url.includes('/node_modules/viem/')));
    `;
    return execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' }).trim();
  };
  expect(loaded({ rail: 'sandbox', id: 'play', pem, ...lifetime })).toBe('false');
  const key = randomBytes(32).toString('hex');
  expect(loaded({ rail: 'evm', id: 'treasury', key, networks: [], ...lifetime })).toBe('true');
});
