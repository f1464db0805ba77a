// Receipts of walks, side by side in one buffer, as one thread hands them to another: what costs is their number.
import { hashHolds, Walked } from './walk.ts';

/** Receipts in the order in which they were walked. */
export interface WalkedPage {
  /** The logs they are of. */
  readonly logs: readonly string[];
  /** All of them as UTF-8, one after the other. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Of each: which log, its number, where `prev` stands in its text, and where it ends in the bytes. */
  readonly places: Float64Array<ArrayBuffer>;
  /** Of each the hash that is still to be checked; empty where it was. */
  readonly unchecked: readonly string[];
}

const PAGE_BYTES = 1_048_576;
const PAGE_RECEIPTS = 1_024;
const PLACES = 4;
/** UTF-8 takes at most so many bytes for one UTF-16 code unit. */
const BYTES_PER_UNIT = 3;

/** Fills pages, and gives each away once it is full; the last one by {@link flush}. */
export class WalkedPages {
  readonly #give: (page: WalkedPage) => void;
  #logs: string[] = [];
  #unchecked: string[] = [];
  #bytes = new Uint8Array(0);
  #places = new Float64Array(0);
  #used = 0;

  constructor(give: (page: WalkedPage) => void) {
    this.#give = give;
  }

  add({ log, seq, text, prev, hash }: Walked, checked: boolean): void {
    const most = text.length * BYTES_PER_UNIT;
    if (this.#unchecked.length === PAGE_RECEIPTS || this.#used + most > this.#bytes.length) this.#begin(most);
    this.#used += encoder.encodeInto(text, this.#bytes.subarray(this.#used)).written;
    this.#places.set([this.#numberOf(log), seq, prev, this.#used], this.#unchecked.length * PLACES);
    this.#unchecked.push(checked ? '' : hash);
  }

  flush(): void {
    const count = this.#unchecked.length;
    if (count === 0) return;
    const places = this.#places.slice(0, count * PLACES);
    this.#give({ logs: this.#logs, bytes: this.#bytes, places, unchecked: this.#unchecked });
    [this.#logs, this.#unchecked, this.#used] = [[], [], 0];
    [this.#bytes, this.#places] = [new Uint8Array(0), new Float64Array(0)];
  }

  #begin(bytes: number): void {
    this.flush();
    this.#bytes = new Uint8Array(Math.max(PAGE_BYTES, bytes));
    this.#places = new Float64Array(PAGE_RECEIPTS * PLACES);
  }

  #numberOf(log: string): number {
    const known = this.#logs.indexOf(log);
    return known < 0 ? this.#logs.push(log) - 1 : known;
  }
}

const encoder = new TextEncoder();

/** A receipt of a page is not what its hash says. */
export class NotItsHash extends Error {}

/** The receipts of a page, in order, checked where they were not. Throws {@link NotItsHash}. */
export function* walkedIn({ logs, bytes, places, unchecked }: WalkedPage): Generator<Walked> {
  const all = Buffer.from(bytes.buffer);
  let from = 0;
  for (const [n, hash] of unchecked.entries()) {
    const [log = 0, seq = 0, prev = 0, to = 0] = places.subarray(n * PLACES, (n + 1) * PLACES);
    if (hash !== '' && !hashHolds({ bytes: all.subarray(from, to), hash })) throw new NotItsHash();
    yield new Walked(all.toString('utf8', from, to), logs[log] ?? '', seq, prev, hash);
    from = to;
  }
}
