// What a hostile case is judged on: money moved, receipts sealed, what the command line says, what a process wrote.
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { commandLine } from '../../src/command/command-line.ts';
import type { Receipt } from '../../src/domain/receipt.ts';
import type { TestGateway } from '../support/gateway.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;

/** How a command ended. */
export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs `purser` as a process of its own, to its end. */
export function purser(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env } });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

/** The same command line within this process: quicker, where nothing hangs on the process. */
export async function command(args: readonly string[]): Promise<Ran> {
  let [out, err] = ['', ''];
  const code = await commandLine(args, {
    env: process.env,
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
  });
  return { code, out, err };
}

/** Every receipt of a log whose gateway has ended or runs, oldest first, read by the command. */
export async function sealed(configFile: string, env: NodeJS.ProcessEnv = {}): Promise<Receipt[]> {
  const { code, out, err } = await purser(['receipts', 'list', '--json', '--config', configFile], env);
  expect(err).toBe('');
  expect(code).toBe(0);
  const { receipts } = JSON.parse(out) as { receipts: { receipt: Receipt }[] };
  return receipts.map(({ receipt }) => receipt).reverse();
}

/** How many refusals the sealed summaries count, by code. */
export function summed(receipts: readonly Receipt[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { summary } of receipts) {
    if (summary) counts[summary.code] = (counts[summary.code] ?? 0) + summary.count;
  }
  return counts;
}

/** Settled and held of every scope of every budget: equal before and after means that no money moved. */
export async function totals(gateway: TestGateway): Promise<string> {
  const { budgets } = await gateway.api<{ budgets: { id: string; scopes: Record<string, unknown>[] }[] }>('budgets');
  return JSON.stringify(budgets.map(({ id, scopes }) => [id, scopes]));
}

/** Waits until `look` answers something that is neither undefined nor false; fails after a generous while. */
export async function until<T>(look: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  for (let tries = 0; tries < 600; tries += 1) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    await sleep(25);
  }
  throw new Error('what was waited for did not happen');
}

/** The receipt id that an answer names. */
export function receiptOf(answer: { headers: Headers }): string | null {
  return /^"([^"]+)"/.exec(answer.headers.get('purser-receipt') ?? '')?.[1] ?? null;
}

/** An issuer by URL, as an item of `identity.issuers`. */
export function issuerEntry({ issuer, keysUrl }: { issuer: string; keysUrl: string }, more = ''): string {
  return `{ issuer: "${issuer}", audience: purser, keys: { url: "${keysUrl}" }, allowPrivateNetwork: true${more} }`;
}

/** The sandbox agents of a policy, each named with its issuer. */
export function agentsOf(issuer: string, ids: readonly string[]): string {
  return ids.map((id) => `  - { id: ${id}, issuer: "${issuer}", owner: dana@example.com, team: research }`).join('\n');
}
