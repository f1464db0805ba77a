// The receipts of one log in order, each checked as it comes: chain, signature, key, and the checkpoint that binds them
// to a tree. It keeps what the next receipt needs and nothing else. Every Error says what is wrong with the line.
import { hash as digest, verify as verifySignature } from 'node:crypto';
import { canonicalJson } from '../domain/canonical.ts';
import { GrowingRoot, receiptLeaf } from '../domain/merkle.ts';
import type { NoteKey } from '../domain/note.ts';
import {
  type CheckpointLine,
  type Cosigned,
  cosignatureOf,
  logSignatureOf,
  proves,
  readCheckpointLine,
} from './verify-checkpoint.ts';
import { atIn, type CutReceipt, follows, RECEIPT, seqIn } from './verify-cut.ts';
import { type KnownKey, LogKeys } from './verify-keys.ts';
import { asObject, expectMembers, HEX, INSTANT, type Json, type Jws, readJws } from './verify-lines.ts';

/** What is known of one log that holds. */
export interface VerifiedLog {
  readonly log: string;
  readonly first: number;
  readonly last: number;
  readonly hash: string;
  readonly warnings: readonly string[];
  /** How many signatures were verified one by one; the checkpoint's tree covers the others. */
  readonly signatures: number;
  /** For a single receipt: the size of the tree it was proved to be in. Null for a run. */
  readonly provedIn: number | null;
  /** The cosignature of a witness that was asked for. */
  readonly cosigned: Cosigned | null;
}

/** A head that was kept elsewhere. */
export interface SignedHead {
  readonly log: string;
  readonly seq: number;
  readonly hash: string;
}

/** What a run is checked against. */
export interface RunOptions {
  readonly keys: readonly KnownKey[];
  readonly kept: SignedHead | undefined;
  /** A checkpoint that was kept elsewhere. */
  readonly checkpoint: CheckpointLine | undefined;
  readonly fromStart: boolean;
  readonly everySignature: boolean;
  readonly witnesses: readonly NoteKey[];
}

/** The JWS type of heads. */
export const HEAD = 'purser-head+jws';

const ZEROS = '0'.repeat(64);
const WARNINGS_MOST = 20;
const BEFORE_SIGNATURE = ',"signature":"';
const BEFORE_RECEIPT = ',"receipt":';

/** One log of a stream. */
export class LogRun {
  readonly log: string;
  readonly keys: LogKeys;
  readonly #options: RunOptions;
  readonly #warnings: string[] = [];
  readonly #tree = new GrowingRoot();
  #checkpoint: CheckpointLine | undefined;
  /** The last receipt of the tree that is built up here to compare its root. */
  #rooted = 0;
  /** The last receipt whose signature that tree covers. */
  #covered = 0;
  #first = 1;
  #seq = 0;
  #hash = ZEROS;
  #at = '';
  #regressions = 0;
  #signatures = 0;
  #provedIn: number | null = null;
  #ended = false;

  constructor(log: string, options: RunOptions) {
    this.log = log;
    this.keys = new LogKeys(log, options.keys);
    this.#options = options;
    this.#checkpoint = options.checkpoint;
  }

  /** The receipt that should come next. */
  get next(): number {
    return this.#seq + 1;
  }

  /** A checkpoint stands before the first receipt; one that was kept elsewhere goes before it. */
  takeCheckpoint(line: CheckpointLine): void {
    if (this.#seq > 0 || this.#ended) throw new Error('a checkpoint stands after receipts of its log');
    this.#checkpoint ??= line;
  }

  /** `line` is the text of `value`. */
  takeReceipt(line: string, value: Json): void {
    if (this.#ended) throw new Error('something follows the signed head');
    expectMembers(value, ['hash', 'receipt', 'signature']);
    const receipt = asObject(value.receipt, 'receipt');
    const { seq, prev, at, log } = receipt;
    if (receipt.v !== 1) throw new Error('this version of receipt is not known');
    if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 1) throw new Error('seq is not a number');
    if (typeof prev !== 'string' || typeof at !== 'string') throw new Error('prev or at is missing');
    if (this.#at === '') this.#begin(seq, prev);
    if (seq !== this.next) throw new Error(`a receipt with seq ${seq} stands here`);
    if (prev !== this.#hash) throw new Error('prev is not the hash of the receipt before');
    if (receipt.id !== `${log}.${seq}`) throw new Error('id does not match log and seq');
    if (!INSTANT.test(at)) throw new Error('at is not an instant');
    // The line is canonical, so its parts are too: the receipt's own bytes need not be made again.
    const from = line.indexOf(BEFORE_RECEIPT) + BEFORE_RECEIPT.length;
    const bytes = Buffer.from(line.slice(from, line.lastIndexOf(BEFORE_SIGNATURE)));
    const hash = digest('sha256', bytes, 'hex');
    if (value.hash !== hash) throw new Error('the hash is not that of the receipt');
    const jws = readJws(value.signature, RECEIPT, bytes);
    this.#checkSignature(jws, seq, receipt.nextKey !== undefined);
    if (receipt.nextKey !== undefined) this.#rotate(seq, receipt);
    this.#checkKept(seq, hash, prev);
    this.#checkTree(seq, hash, jws);
    this.#noteTime(seq, at);
    this.#seq = seq;
    this.#hash = hash;
  }

  /** Need no more be read of this receipt than its place in the chain? */
  covers({ text }: CutReceipt): boolean {
    return this.#at !== '' && this.next <= this.#covered && !this.#ended && !text.includes('"nextKey":');
  }

  /** Takes a receipt that the checkpoint's tree covers: the tree binds every byte of it to what the log has signed. */
  takeCovered({ text, hash, jws: read }: CutReceipt): void {
    const seq = this.next;
    const found = seqIn(text);
    if (Number.isNaN(found.seq)) throw new Error('what stands here is not a receipt');
    if (found.seq !== seq) throw new Error(`a receipt with seq ${found.seq} stands here`);
    if (!follows(text, this.#hash, found.place)) throw new Error('prev is not the hash of the receipt before');
    const bytes = Buffer.from(text);
    if (digest('sha256', bytes, 'hex') !== hash) throw new Error('the hash is not that of the receipt');
    const jws = read(bytes);
    this.keys.ofReceipt(jws.kid, seq);
    this.#checkKept(seq, hash, this.#hash);
    this.#checkTree(seq, hash, jws);
    this.#noteTime(seq, atIn(text));
    this.#seq = seq;
    this.#hash = hash;
  }

  /** A receipt by itself, which its inclusion in the checkpoint's tree vouches for in place of a head. */
  takeProof(value: Json): void {
    expectMembers(value, ['checkpoint', 'hash', 'proof', 'receipt', 'signature']);
    const { checkpoint, proof, ...rest } = value;
    const { seq } = asObject(rest.receipt, 'receipt');
    const line = readCheckpointLine({ checkpoint, proof, seq });
    this.#checkpoint = line;
    this.takeReceipt(canonicalJson(rest), rest);
    this.#warnings.length = 0;
    this.#provedIn = line.size;
    this.#ended = true;
  }

  takeHead(head: SignedHead, jws: Jws): void {
    if (this.#ended) throw new Error('something follows the signed head');
    if (head.seq !== this.#seq) throw new Error(`the signed head is at seq ${head.seq}, the receipts end elsewhere`);
    if (head.hash !== this.#hash) throw new Error('the signed head names another hash');
    const key = this.keys.ofHead(jws.kid, head.seq);
    if (!signs(jws, key)) throw new Error('the signature is wrong');
    this.#signatures += 1;
    this.#ended = true;
  }

  /** What is known once all lines were taken. */
  conclude(): VerifiedLog {
    if (!this.#ended) throw new Error('the signed head at the end is missing: the log is cut short');
    this.#compareKept();
    const cosigned = this.#concludeCheckpoint();
    const left = this.#regressions - WARNINGS_MOST;
    if (left > 0) this.#warnings.push(`and about ${left} more`);
    return {
      log: this.log,
      first: this.#first,
      last: this.#seq,
      hash: this.#hash,
      warnings: this.#warnings,
      signatures: this.#signatures,
      provedIn: this.#provedIn,
      cosigned,
    };
  }

  #begin(seq: number, prev: string): void {
    if (this.#options.fromStart && seq !== 1) throw new Error(`the log begins at seq ${seq}`);
    if (!HEX.test(prev)) throw new Error('prev is not a hash');
    this.#first = seq;
    this.#seq = seq - 1;
    const { size, seq: last } = this.#checkpoint ?? { size: 0, seq: 0 };
    if (seq === 1 && last === size) this.#rooted = size;
    if (!this.#options.everySignature) this.#covered = this.#rooted;
    // A log from its beginning keeps the 64 zeros, against which its first `prev` is checked like any other.
    if (seq === 1) return;
    this.#hash = prev;
    this.#warn(`the export begins at seq ${seq}: nothing is said about the receipts before it`);
  }

  // What the checkpoint's tree covers is what it was when that was signed, signatures too, or the roots differ.
  // The one over a rotation is always verified: it speaks for all that the key before it has sealed.
  #checkSignature(jws: Jws, seq: number, rotation: boolean): void {
    const key = this.keys.ofReceipt(jws.kid, seq);
    if (seq <= this.#covered && !rotation) return;
    if (!signs(jws, key)) throw new Error('the signature is wrong');
    this.#signatures += 1;
  }

  #rotate(seq: number, receipt: Json): void {
    if (receipt.kind !== 'operator') throw new Error(`a receipt of kind ${receipt.kind} names a next key`);
    this.keys.rotate(seq, receipt.nextKey);
  }

  #checkTree(seq: number, hash: string, { signature }: Pick<Jws, 'signature'>): void {
    const checkpoint = this.#checkpoint;
    if (!checkpoint || (seq > this.#rooted && seq !== checkpoint.seq)) return;
    const leaf = receiptLeaf(hash, signature);
    if (seq <= this.#rooted) this.#tree.add(leaf);
    if (seq !== checkpoint.seq) return;
    const rooted = seq !== this.#rooted || this.#tree.root().equals(checkpoint.root);
    if (rooted && proves(checkpoint, leaf)) return;
    throw new Error(`the receipts up to here are not those of the checkpoint of ${checkpoint.size} receipts`);
  }

  #concludeCheckpoint(): Cosigned | null {
    const checkpoint = this.#checkpoint;
    const { witnesses } = this.#options;
    if (checkpoint) {
      const last = checkpoint.seq;
      if (last > this.#seq)
        throw new Error(`the checkpoint names receipt ${last}: receipts after ${this.#seq} are gone`);
      if (last < this.#first) throw new Error(`the checkpoint ends at seq ${last}, before this export begins`);
      logSignatureOf(checkpoint, this.keys.ofCheckpoint(checkpoint.size));
    }
    if (witnesses.length === 0) return null;
    const cosigned = checkpoint && cosignatureOf(checkpoint, witnesses);
    if (cosigned) return cosigned;
    throw new Error('no checkpoint with a cosignature of the named witness covers these receipts');
  }

  #checkKept(seq: number, hash: string, prev: string): void {
    const { kept } = this.#options;
    const named = (kept?.seq === seq && hash) || (kept?.seq === seq - 1 && prev);
    if (named && named !== kept?.hash) throw new Error(`receipt ${kept?.seq} is not the one that the kept head names`);
  }

  #compareKept(): void {
    const { kept } = this.#options;
    if (!kept) return;
    if (kept.seq > this.#seq)
      throw new Error(`the kept head is at seq ${kept.seq}: receipts after ${this.#seq} are gone`);
    if (kept.seq < this.#first - 1) {
      throw new Error(`the kept head is at seq ${kept.seq}, before this export begins; export from there`);
    }
  }

  #noteTime(seq: number, at: string): void {
    if (at < this.#at) {
      this.#regressions += 1;
      this.#warn(`seq ${seq} says ${at}, before the receipt before it (${this.#at}): the clock was set back`);
    }
    this.#at = at;
  }

  #warn(warning: string): void {
    if (this.#warnings.length < WARNINGS_MOST) this.#warnings.push(warning);
  }
}

/** Is this the signature of the key? */
export function signs({ input, signature }: Jws, key: Parameters<typeof verifySignature>[2]): boolean {
  return verifySignature(null, Buffer.from(input), key, Buffer.from(signature, 'base64url'));
}
