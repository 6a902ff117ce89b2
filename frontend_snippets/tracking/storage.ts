/**
 * `localStorage`, of which only our own names are read. What it does not take (it may be full,
 * denied by the browser, or not there) waits in memory until it does.
 */

import { attempt } from "./page";

const memory: Record<string, string> = {};

export function read(key: string): string | null | undefined {
  return memory[key] ?? attempt(() => localStorage.getItem(key));
}

export function write(key: string, text: string): void {
  memory[key] = text;
  attempt(() => {
    localStorage.setItem(key, text);
    delete memory[key];
  });
}

export function remove(key: string): void {
  delete memory[key];
  attempt(() => localStorage.removeItem(key));
}

/** Returns what JSON there is under a name; null or undefined where there is none. */
export function readJson<T>(key: string): T | null | undefined {
  return attempt(() => JSON.parse(read(key)!) as T);
}

/** Returns the names that begin so, in order. No value is read: the host's may be megabytes. */
export function keysWith(prefix: string): string[] {
  for (const key in memory) write(key, memory[key]!);
  const stored = attempt(() => Object.keys(localStorage)) ?? [];
  return [...stored, ...Object.keys(memory)].filter((key) => key.startsWith(prefix)).sort();
}
