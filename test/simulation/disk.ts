// A gateway's disk: SQLite in this process, whose commits can fail, or come back although they failed, and which after
// a loss of power holds what was synced and a random part of what was not.
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { codedError, type StateAccess } from '../../src/domain/operations.ts';
import { headOf } from '../../src/ledger/tables.ts';
import { BatchRunner, type Rooms } from '../../src/state/batch.ts';
import type { Call } from '../../src/state/message.ts';
import type { Chance } from './random.ts';
import type { Life, Timeline } from './timeline.ts';

/** What the next commits do: work, fail, or be written and then fail. */
export type DiskHealth = 'well' | 'full' | 'unsynced';

class SimulatedDatabase extends DatabaseSync {
  onBegin: (begin: () => void) => void = (begin) => begin();
  onCommit: (commit: () => void) => void = (commit) => commit();

  override prepare(...args: Parameters<DatabaseSync['prepare']>): StatementSync {
    const statement = super.prepare(...args);
    const run = statement.run.bind(statement);
    const instead = { COMMIT: () => this.onCommit(() => void run()), 'BEGIN IMMEDIATE': () => this.onBegin(run) }[
      args[0]
    ];
    if (instead) {
      statement.run = () => {
        instead();
        return { changes: 0, lastInsertRowid: 0 };
      };
    }
    return statement;
  }

  /** Nothing here depends on when the machine's own disk has it. */
  override exec(sql: string): void {
    super.exec(sql.replaceAll(/PRAGMA synchronous=\w+;?/g, 'PRAGMA synchronous=OFF;'));
  }

  /** The data outlives the connection. */
  override close(): void {}
}

/** The disk of one gateway over all of its lives. */
export class Disk {
  health: DiskHealth = 'well';
  /** Milliseconds that each batch takes beyond the usual. */
  stallMs = 0;
  /** Changes with each batch. */
  version = 0;
  readonly #keepsImages: boolean;
  #db: SimulatedDatabase;
  /** Images since the last sync, the first one synced. */
  #images: Uint8Array[] = [];
  #headBefore = 0;

  /** `file`: where the data lies, by default in memory. */
  constructor(log: string, keepsImages: boolean, file = ':memory:') {
    this.#keepsImages = keepsImages;
    this.#db = new SimulatedDatabase(file);
    this.#db.exec('PRAGMA journal_mode=MEMORY');
    this.#db.exec('PRAGMA synchronous=OFF');
    this.#db.exec('PRAGMA locking_mode=EXCLUSIVE');
    this.#db.exec('CREATE TABLE ledger (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID');
    this.#db.prepare("INSERT INTO ledger VALUES ('log', ?)").run(log);
    this.#watchCommits();
    this.#keepImage(true);
  }

  /** For readers who share nothing with the gateway. */
  get db(): DatabaseSync {
    return this.#db;
  }

  /** The gateway's own writer. */
  openRunner(rooms: Pick<Rooms, 'operations' | 'cutBack'>): BatchRunner {
    return new BatchRunner(() => this.#db, {
      ...rooms,
      // A commit that was written without being synced is not seen by the connection whose commit failed.
      mark: (db) => (this.health === 'unsynced' ? this.#headBefore : headOf(db).seq),
    });
  }

  /** A batch was committed. */
  committed(durable: boolean): void {
    this.version += 1;
    this.#keepImage(durable);
  }

  /** What was not synced is lost, all of it or its end. Answers how many batches are gone. */
  losePower(chance: Chance): number {
    const kept = chance.between(0, this.#images.length - 1);
    const image = this.#images[kept];
    const lost = this.#images.length - 1 - kept;
    if (!image || lost === 0) return 0;
    const db = new SimulatedDatabase(':memory:');
    db.deserialize(image);
    this.#db = db;
    this.#watchCommits();
    this.#images = [image];
    this.version += 1;
    return lost;
  }

  #watchCommits(): void {
    this.#db.onBegin = (begin) => {
      begin();
      // What a commit that fails late leaves behind is known by what stood before it.
      this.#headBefore = this.health === 'unsynced' ? headOf(this.#db).seq : 0;
    };
    this.#db.onCommit = (commit) => {
      if (this.health === 'full') throw Object.assign(new Error('database or disk is full'), { errcode: 13 });
      commit();
      if (this.health === 'unsynced') throw Object.assign(new Error('disk I/O error'), { errcode: 10 });
    };
  }

  #keepImage(durable: boolean): void {
    if (!this.#keepsImages) return;
    if (durable) this.#images = [];
    this.#images.push(this.#db.serialize());
  }
}

/** What the state thread is to the gateway. */
export class SimulatedState implements StateAccess {
  readonly #timeline: Timeline;
  readonly #life: Life;
  readonly #disk: Disk;
  readonly #chance: Chance;
  readonly #runner: BatchRunner;
  readonly #durable: ReadonlySet<string>;
  #waiting: { call: Call; resolve(value: unknown): void; reject(error: Error): void }[] = [];
  #busy = false;
  #last = 0;
  #writable = true;

  constructor(parts: {
    timeline: Timeline;
    life: Life;
    disk: Disk;
    chance: Chance;
    rooms: Pick<Rooms, 'operations' | 'cutBack'>;
  }) {
    this.#timeline = parts.timeline;
    this.#life = parts.life;
    this.#disk = parts.disk;
    this.#chance = parts.chance;
    const durable = new Set<string>();
    this.#durable = durable;
    this.#runner = parts.disk.openRunner({
      cutBack: parts.rooms.cutBack,
      operations: (db) => {
        const operations = parts.rooms.operations(db);
        for (const [name, operation] of Object.entries(operations)) if (operation.durable) durable.add(name);
        return operations;
      },
    });
    this.#probe();
  }

  call<T>(operation: string, argument: unknown): Promise<T> {
    if (!this.#life.alive) return new Promise(() => {});
    this.#last += 1;
    const call = { id: this.#last, operation, argument: structuredClone(argument) };
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ call, resolve: (value) => resolve(value as T), reject });
      this.#soon();
    });
  }

  ready(): boolean {
    return this.#writable;
  }

  trouble(): string | null {
    return this.#writable ? null : 'cannot be written';
  }

  #soon(): void {
    if (this.#busy || this.#waiting.length === 0) return;
    this.#busy = true;
    this.#timeline.after(this.#chance.between(0, 2) + this.#disk.stallMs, () => this.#work(), this.#life);
  }

  #work(): void {
    const batch = this.#waiting.splice(0, 512);
    const replies = this.#runner.run(batch.map(({ call }) => call));
    const durable = batch.some(({ call }) => this.#durable.has(call.operation));
    // What a commit that failed has left behind is nobody's yet: it is taken away, or comes back with the next start.
    if (this.#runner.writable) this.#disk.committed(durable);
    this.#timeline.after(
      this.#chance.between(0, 2),
      () => {
        this.#busy = false;
        this.#writable = this.#runner.writable;
        for (const [index, reply] of replies.entries()) {
          const waiting = batch[index];
          if (reply.ok) waiting?.resolve(structuredClone(reply.value));
          else waiting?.reject(codedError(reply.code, reply.message));
        }
        this.#soon();
      },
      this.#life,
    );
  }

  /** Each second a disk that failed is tried again. */
  #probe(): void {
    this.#timeline.after(
      1_000,
      () => {
        if (!this.#runner.writable) {
          this.#runner.probe();
          if (this.#runner.writable) this.#disk.committed(true);
          this.#writable = this.#runner.writable;
        }
        this.#probe();
      },
      this.#life,
    );
  }
}
