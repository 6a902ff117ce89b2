/**
 * How long the server is left alone after a failure: as long as it asks, else twice as long as the
 * last time. In storage, so that it holds for the next page and for other tabs, too.
 */

import { options } from "./options";
import { readJson, remove, write } from "./storage";

/** For so long an answer is waited for. */
export const ANSWER_MS = 10_000;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 300_000;

/** Returns how many milliseconds are left to wait; undefined where the last request was answered. */
export function pauseLeftMs(): number | undefined {
  const [until, waitMs] = lastPause();
  const leftMs = until - Date.now();
  if (!until) return undefined;
  // More than it ever was where the clock was set back: then the pause is over.
  return leftMs > Math.max(2 * waitMs, ANSWER_MS) ? 0 : Math.max(0, leftMs);
}

/** Has all tabs wait for so long. */
export function pause(ms: number, waitMs = lastPause()[1]): void {
  write(key(), JSON.stringify([Date.now() + ms, waitMs]));
}

/** Has all tabs wait after a failure. */
export function pauseAfterFailure(retryAfterS: number): void {
  const waitMs = Math.min(retryAfterS > 0 ? retryAfterS * 1_000 : lastPause()[1] * 2, LONGEST_WAIT_MS);
  pause(waitMs, waitMs);
}

/** Ends the waiting, but not the outage: one request is still to find out whether that is over. */
export function cutPause(): void {
  if (pauseLeftMs()) pause(0);
}

export function endPause(): void {
  remove(key());
}

function lastPause(): [until: number, waitMs: number] {
  return readJson(key()) ?? [0, FIRST_WAIT_MS];
}

function key(): string {
  return `tcs_wait_${options.endpoint}`;
}
