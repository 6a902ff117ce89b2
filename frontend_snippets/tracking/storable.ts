/** JSON of whatever a page hands over: an event is kept with all that can be kept of it. */

import { warn } from "./page";

/** The server takes 32 levels, and a payload may be in an event in the list of a batch. */
const MAX_DEPTH = 28;
/** An element of the page that got into a payload leads to all the others. */
const MAX_VALUES = 5_000;
/** NUL, and half of an emoji: no database takes them. The first part is a backslash, and stays. */
const UNSTORABLE = /(\\\\)|\\u(?:0000|d[89a-f]..)/g;

/**
 * Returns JSON that the server can store. The console says what had to be changed.
 *
 * Throws where a value cannot be read, or leads to thousands of others.
 */
export function storableJson(value: object): string {
  const path: unknown[] = [];
  let values = 0;

  function replace(this: unknown, _key: string, value: unknown): unknown {
    if (values++ > MAX_VALUES) throw values;
    // Cut back to what holds this value, it is the way that leads here.
    path.splice(path.indexOf(this) + 1);
    if (path.includes(value) || path[MAX_DEPTH]) return changed(value);
    path.push(value);
    // A larger number is not exact, and the server refuses it: as text it keeps its digits.
    const isTooLarge = typeof value === "number" && !(Math.abs(value) < 2 ** 53);
    return isTooLarge || typeof value === "bigint" ? changed(value, String(value)) : value;
  }

  const json = JSON.stringify(value, replace);
  return json.replace(UNSTORABLE, (text, backslash) => (backslash as string) ?? changed(text, "\ufffd"));
}

function changed<T>(value: unknown, replacement?: T): T | undefined {
  warn("cannot be stored:", value);
  return replacement;
}
