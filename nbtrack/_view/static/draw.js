// Drawing within a budget, so that the page stays quick while charts move.

const BUDGET_MS = 8; // per animation frame
// The browser fills a canvas after we have returned, in a time that we cannot see.
const MOST_PER_FRAME = 4;

/** @typedef {{draw: () => void, isVisible: boolean}} Drawable */

/** Draws what has changed and can be seen; does nothing when nothing has. */
export class DrawLoop {
  /** @param {(error: unknown) => void} onError */
  constructor(onError) {
    this.onError = onError;
    /** @type {Set<Drawable>} */
    this.dirty = new Set();
    this.frame = 0;
    this.restUntil = 0;
  }

  /** @param {Drawable} item */
  request(item) {
    this.dirty.add(item);
    if (item.isVisible) this.wake();
  }

  /** @param {Drawable} item */
  forget(item) {
    this.dirty.delete(item);
  }

  wake() {
    if (!this.frame && this.dirty.size) {
      this.frame = requestAnimationFrame(() => this.turn());
    }
  }

  turn() {
    this.frame = 0;
    const began = performance.now();
    let isWorkLeft = began < this.restUntil;
    if (!isWorkLeft) {
      let left = MOST_PER_FRAME;
      for (const item of this.dirty) {
        if (!item.isVisible) continue; // stays dirty until it is seen
        if (!left-- || performance.now() - began > BUDGET_MS) {
          isWorkLeft = true;
          break;
        }
        this.dirty.delete(item);
        try {
          item.draw();
        } catch (error) {
          this.onError(error);
        }
      }
      // At most half of the main thread, also where one chart takes long.
      const end = performance.now();
      this.restUntil = end + (end - began);
    }
    if (isWorkLeft) this.wake();
  }

  stop() {
    cancelAnimationFrame(this.frame);
    this.dirty.clear();
  }
}
