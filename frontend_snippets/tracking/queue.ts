/**
 * The events that the server has not acknowledged yet, each under a name of its own in storage, so
 * that tabs do not overwrite each other. The names begin with the address they are meant for: what
 * another app or another configuration of the same origin has recorded is not ours to send.
 */

import { options } from "./options";
import { keysWith, read, readJson, remove, write } from "./storage";

const MAX_EVENTS = 50;
/** In UTF-8. Browsers let the requests that outlive a page have 64 KiB together. */
const MAX_BYTES = 49_000;

/** What is sent, and when it happened by the browser's clock. */
export interface Waiting {
  at: number;
  event_id: string;
  session_id: string;
  /** Not there: a link between the session and an address. */
  event_type?: string;
  payload?: unknown;
  email?: string | undefined;
}

/**
 * Keeps an event until it is dropped. The oldest ones are given up where there is no room.
 *
 * Returns false for an event that is more than there is room for. It is not kept, as it would push
 * out all others.
 */
export function keep(id: string, json: string): boolean {
  if (bytesOf([json]) > MAX_BYTES) return false;
  write(keyOf(id), json);
  const keys = waitingKeys();
  while (keys[MAX_EVENTS] || bytesOf(keys.map((key) => key + read(key))) > MAX_BYTES)
    remove(keys.shift()!);
  return true;
}

/** Returns what waits for the server, the oldest first. */
export function waitingEvents(): Waiting[] {
  return waitingKeys().flatMap((key) => {
    const event = readJson<Waiting>(key);
    // Nothing where it is damaged, or where another tab has dropped it just now. The name is what
    // drops it, whatever somebody has written under it.
    return event ? { ...event, event_id: key.slice(keyOf("").length) } : [];
  });
}

export function drop({ event_id }: Waiting): void {
  remove(keyOf(event_id));
}

export function forgetQueue(): void {
  waitingKeys().forEach(remove);
}

function waitingKeys(): string[] {
  return keysWith(keyOf(""));
}

function keyOf(id: string): string {
  return `tcs_e_${options.endpoint} ${id}`;
}

function bytesOf(texts: string[]): number {
  return new Blob(texts).size;
}
