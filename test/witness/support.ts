// A witness in a process of its own, and a log that signs checkpoints for it without a gateway.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NoteKey, originOf, writeKey } from '../../src/domain/note.ts';
import type { StoredCheckpoint } from '../../src/ledger/checkpoints.ts';
import { writeRequest } from '../../src/witness/request.ts';
import { openLog, purchase, type TestLog } from '../ledger/log.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;

export interface WitnessProcess {
  readonly url: string;
  /** As verifiers and gateways are given it. */
  readonly key: string;
  readonly child: ChildProcess;
  add(body: string): Promise<{ status: number; body: string; type: string | null }>;
  end(signal?: NodeJS.Signals): Promise<void>;
}

/** The folder of a witness, with the file of the logs that it knows. */
export function witnessFolder(keys: readonly string[] = []): { state: string; logs: string; know(key: string): void } {
  const folder = mkdtempSync(join(tmpdir(), 'purser-witness-'));
  const logs = join(folder, 'logs');
  const known = [...keys];
  const write = () => writeFileSync(logs, known.map((key) => `${key}\n`).join(''));
  write();
  const know = (key: string) => {
    known.push(key);
    write();
  };
  return { state: join(folder, 'state'), logs, know };
}

/** Starts `purser witness` on the folder; `port` 0 is any. */
export async function spawnWitness(
  { state, logs }: { readonly state: string; readonly logs: string },
  port = 0,
): Promise<WitnessProcess> {
  const args = [
    'witness',
    '--name',
    'witness.test/w1',
    '--logs',
    logs,
    '--state',
    state,
    '--listen',
    `127.0.0.1:${port}`,
  ];
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += String(chunk)));
  const exited = once(child, 'exit');
  for (let waited = 0; waited < 15_000 && child.exitCode === null; waited += 20) {
    const [, key, url] = /^witness (\S+) at (\S+)$/m.exec(said) ?? [];
    if (key !== undefined && url !== undefined) {
      return {
        ...{ url, key, child },
        add: async (body) => {
          const answer = await fetch(`${url}/add-checkpoint`, { method: 'POST', body });
          return { status: answer.status, body: await answer.text(), type: answer.headers.get('content-type') };
        },
        end: async (signal = 'SIGTERM') => {
          if (child.exitCode === null && child.signalCode === null) child.kill(signal);
          await exited;
        },
      };
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`the witness did not start: ${said}`);
}

/** The key of a log as a witness is given it. */
export function logVkey(log: TestLog): string {
  const x = log.reader.keys().at(-1)?.x ?? '';
  const key: NoteKey = {
    kind: 'log',
    name: originOf(log.reader.log),
    publicKey: new Uint8Array(Buffer.from(x, 'base64url')),
  };
  return writeKey(key);
}

/** Seals so many receipts more and signs a checkpoint. */
export function grow(log: TestLog, more: number): StoredCheckpoint {
  for (let n = 0; n < more; n++) log.seal(purchase('refused', n));
  return log.run('ledger.checkpoint') as StoredCheckpoint;
}

/** The request for a checkpoint of the log, from what the witness knows. */
export function requestFor(log: TestLog, { size, note }: StoredCheckpoint, old: number): string {
  return writeRequest(old, log.run('ledger.grown', { from: old, to: size }) as string[], note);
}

export { openLog };
