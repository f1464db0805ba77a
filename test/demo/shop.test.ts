// `purser demo --shop`: the shop that the example configuration and its policies buy from, in a process of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { run } from '../command/support.ts';
import { freePort, startGateway } from '../support/gateway.ts';

const ROOT = new URL('../..', import.meta.url).pathname;

test('it sells to a gateway with the policies of the example, and ends on SIGTERM with its count', async () => {
  const place = `127.0.0.1:${await freePort()}`;
  const child = spawn(process.execPath, [`${ROOT}src/main.ts`, 'demo', '--shop', place]);
  let printed = '';
  child.stdout.on('data', (chunk) => {
    printed += chunk;
  });
  const policies = ['agents', 'spending']
    .map((name) => readFileSync(`${ROOT}policies/${name}.yaml`, 'utf8'))
    .join('\n');
  const gateway = await startGateway({ upstream: `http://${place}`, policies });
  try {
    while (!printed.includes(`http://${place}/v1/`) && child.exitCode === null) await sleep(20);
    const agent = 'research-1';
    expect((await gateway.ask('/shop/v1/about', { agent })).status).toBe(200);
    expect(await (await gateway.ask('/shop/v1/forecast', { agent })).json()).toEqual({ tomorrow: 'sunny' });
    expect((await gateway.ask('/shop/v1/satellite', { agent })).status).toBe(200);
    expect((await gateway.ask('/shop/v1/satellite', { agent: 'support-1' })).status).toBe(403);
  } finally {
    await gateway.close();
    child.kill('SIGTERM');
  }
  expect(await once(child, 'exit')).toEqual([0, null]);
  expect(printed).toMatch(/The shop took 2 payments\.\n$/);
});

test('the example configuration buys from the address that its comment opens', () => {
  const text = readFileSync(`${ROOT}config.example.yaml`, 'utf8');
  const place = /purser demo --shop (\S+)/.exec(text)?.[1];
  expect(parse(text).services[0].upstream).toBe(`http://${place}`);
});

test('an address that cannot be read, or --once beside it, is bad usage', async () => {
  for (const args of [['8410'], ['127.1:8410'], [''], ['127.0.0.1:8410', '--once']]) {
    expect([args, (await run(['demo', '--shop', ...args])).code]).toEqual([args, 2]);
  }
});
