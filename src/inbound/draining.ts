// The agents' connections while the port goes down. A connection between two requests may be about to carry the next
// one: it is let go only after it was quiet for a while, and not when the beginning of a request has arrived.
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { setImmediate as afterReading, setTimeout as sleep } from 'node:timers/promises';

/** So long nothing must have happened on a connection before it is taken for one that nobody uses. */
const QUIET_MS = 250;
const LOOK_MS = 25;
/** Nobody came to the door for so long: nobody is likely to stand there unseen. */
const ALONE_MS = 10;
const ALONE_WITHIN_MS = 500;

interface Use {
  /** Requests whose answers are under way. */
  busy: number;
  /** When the last answer ended, and how many bytes had been read by then. */
  since: number;
  read: number;
}

/** What is known of each connection. */
export class Connections {
  readonly #uses = new Map<Socket, Use>();
  #looking: NodeJS.Timeout | undefined;
  #lastCame = 0;

  /** `event`: a new connection that can carry requests, `connection` or `secureConnection`. */
  constructor(server: Server, event: string) {
    server.on('connection', () => {
      this.#lastCame = performance.now();
    });
    server.on(event, (socket: Socket) => {
      this.#uses.set(socket, { busy: 0, since: performance.now(), read: socket.bytesRead });
      socket.once('close', () => this.#uses.delete(socket));
    });
  }

  /** How many are open. */
  get size(): number {
    return this.#uses.size;
  }

  /** A request was read on it. */
  begun(socket: Socket): void {
    const use = this.#uses.get(socket);
    if (use) use.busy += 1;
  }

  /** Its answer was handed over, or its connection closed. */
  ended(socket: Socket): void {
    const use = this.#uses.get(socket);
    if (!use) return;
    use.busy -= 1;
    use.since = performance.now();
    use.read = socket.bytesRead;
  }

  /** Its connection speaks another protocol now, or belongs to somebody else. */
  forget(socket: Socket): void {
    this.#uses.delete(socket);
  }

  /**
   * Resolves when the port can be closed: whom the system has let in already, but this process has not seen, would be
   * cut off. So it waits for a moment without newcomers, and then for one turn in which all of them were taken in.
   */
  async alone(): Promise<void> {
    const until = performance.now() + ALONE_WITHIN_MS;
    while (performance.now() - this.#lastCame < ALONE_MS && performance.now() < until) await sleep(1);
    await afterReading();
  }

  /** From now on closes what is quiet. */
  letGo(): void {
    this.#looking ??= setInterval(() => void this.#look(), LOOK_MS);
  }

  stop(): void {
    clearInterval(this.#looking);
  }

  async #look(): Promise<void> {
    const before = performance.now() - QUIET_MS;
    // A process that was held up reads what has come meanwhile before it says that nothing came.
    await afterReading();
    for (const [socket, { busy, since, read }] of this.#uses) {
      if (busy === 0 && since < before && socket.bytesRead === read) socket.destroySoon();
    }
  }
}
