// One gateway that is killed again and again: at each point it is started again, judged, and told where to die next.
import type { TestStore } from '../support/stores.ts';
import { expectAgreed, expectFate, expectRepeats, expectResolved } from './judge.ts';
import type { FailPoint } from './points.ts';
import { dieAt, openScene, type Scene } from './scene.ts';
import type { Till } from './till.ts';

/** A gateway on its store before its merchant. */
export class Chain {
  readonly #name: string;
  readonly #scene: Scene;
  /** Where the gateway that runs shall die. */
  #armed: FailPoint | undefined;
  /** One death at a time, also where a test did not wait for its own. */
  #turn: Promise<void> = Promise.resolve();

  private constructor(name: string, scene: Scene) {
    this.#name = name;
    this.#scene = scene;
  }

  /** Store and merchant stay the caller's. `name` begins what goes wrong. */
  static async open(name: string, store: TestStore, till: Till): Promise<Chain> {
    return new Chain(name, await openScene(store, till, 1));
  }

  /** Dies at `point`, starts again to die at `next`, and is judged. */
  async die(point: FailPoint, next: FailPoint | undefined): Promise<void> {
    const scene = this.#scene;
    await this.#named(async () => {
      if (this.#armed !== point) await scene.gateways[0]?.kill();
      if (this.#armed !== point) await scene.start(0, point);
      this.#armed = undefined;
      const before = scene.purchases.length;
      await dieAt(scene, point);
      await scene.start(0, next);
      this.#armed = next;
      const died = scene.purchases.slice(before).filter(({ status }) => status === null);
      const told = await expectAgreed(scene);
      expectFate(scene, point, told, died);
      await expectRepeats(scene, told, died);
    });
  }

  /** What is uncertain in the end is looked up. */
  async resolve(): Promise<void> {
    await this.#named(async () => {
      await this.#scene.gateways[0]?.kill();
      await this.#scene.start(0);
      await expectResolved(this.#scene);
    });
  }

  async #named(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    try {
      await turn;
    } catch (error) {
      if (error instanceof Error) error.message = `${this.#name}: ${error.message}`;
      throw error;
    }
  }

  /** Ends the gateway and removes its state. */
  close(): Promise<void> {
    return this.#scene.close();
  }
}
