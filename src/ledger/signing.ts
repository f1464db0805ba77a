// Signs many receipts in one step. A second thread takes them from the first on while they are still being made, this
// one from the last, and neither waits: what the other has taken but not finished in the end is signed here once more,
// which gives the same signature (RFC 8032).
import type { KeyObject } from 'node:crypto';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { signInput } from './chain.ts';

/** What is handed over at a time; a few receipts alone are signed sooner than they are handed over. */
const PIECE = 16;
/** The length of an Ed25519 signature. */
const BYTES = 64;

const HELPER = new URL(`./signing-worker${extname(import.meta.url)}`, import.meta.url);

/** What the second thread is told: sign these. */
export interface Order {
  readonly key: KeyObject;
  readonly inputs: readonly string[];
  readonly shared: SharedArrayBuffer;
}

/** Memory of a piece, which both threads see: who takes which, and the signatures. */
export class SharedPiece {
  readonly shared: SharedArrayBuffer;
  readonly #taken: Uint8Array;
  readonly #done: Uint8Array;
  readonly #signatures: Uint8Array;

  constructor(shared = new SharedArrayBuffer(PIECE * (BYTES + 2))) {
    this.shared = shared;
    this.#taken = new Uint8Array(shared, 0, PIECE);
    this.#done = new Uint8Array(shared, PIECE, PIECE);
    this.#signatures = new Uint8Array(shared, 2 * PIECE);
  }

  /** True for one of the two threads. */
  take(at: number): boolean {
    return Atomics.exchange(this.#taken, at, 1) === 0;
  }

  put(at: number, signature: Uint8Array): void {
    this.#signatures.set(signature, at * BYTES);
    Atomics.store(this.#done, at, 1);
  }

  /** The signature that was put there, as base64url, or undefined. */
  get(at: number): string | undefined {
    if (Atomics.load(this.#done, at) === 0) return undefined;
    return Buffer.from(this.#signatures.slice(at * BYTES, (at + 1) * BYTES)).toString('base64url');
  }
}

/** Signing inputs under one key, as they come. */
export class Signing {
  readonly #key: KeyObject;
  readonly #handOver: (order: Order) => void;
  readonly #pieces: { readonly piece: SharedPiece; readonly inputs: readonly string[] }[] = [];
  #rest: string[] = [];

  /** `handOver` tells the second thread; by default one that is started when there is work, and ends without. */
  constructor(key: KeyObject, handOver: (order: Order) => void = handToHelper) {
    this.#key = key;
    this.#handOver = handOver;
  }

  /** Another one to sign: the input of a JWS (RFC 7515, section 5.1). */
  add(input: string): void {
    this.#rest.push(input);
    if (this.#rest.length < PIECE) return;
    const [piece, inputs] = [new SharedPiece(), this.#rest];
    this.#pieces.push({ piece, inputs });
    this.#rest = [];
    this.#handOver({ key: this.#key, inputs, shared: piece.shared });
  }

  /** All signatures as base64url, in the order of the inputs. */
  finish(): string[] {
    const rest = this.#rest.map((input) => signInput(input, this.#key).toString('base64url'));
    for (const { piece, inputs } of this.#pieces.toReversed()) {
      for (let at = inputs.length - 1; at >= 0; at -= 1) {
        if (piece.take(at)) piece.put(at, signInput(inputs[at] ?? '', this.#key));
      }
    }
    const signed = this.#pieces.flatMap(({ piece, inputs }) =>
      inputs.map((input, at) => piece.get(at) ?? signInput(input, this.#key).toString('base64url')),
    );
    return [...signed, ...rest];
  }
}

let helper: Worker | undefined;

/** Has the second thread sign; starts it when there is none. */
export function handToHelper(order: Order): void {
  helper ??= startHelper();
  helper.postMessage(order);
}

function startHelper(): Worker {
  const worker = new Worker(HELPER, { name: 'purser-signing' });
  const gone = () => {
    if (helper === worker) helper = undefined;
  };
  // Without it all is signed here, and it takes a little longer.
  worker.on('error', gone);
  worker.on('exit', gone);
  worker.unref();
  return worker;
}
