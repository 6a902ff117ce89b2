/** JSON of whatever a page hands over: an event is kept with all that can be kept of it. */

import { warn } from "./page";

/** The server takes 32 levels, and a payload may be in an event in the list of a batch. */
const MAX_DEPTH = 28;
/** An element of the page that got into a payload leads to all the others. */
const MAX_VALUES = 5_000;
/** NUL, and half of an emoji: no database takes them. The first part is a backslash, and stays. */
const UNSTORABLE = /(\\\\)|\\u(?:0000|d[89a-f]..)/g;

type Holder = Record<PropertyKey, unknown>;

let values: number;
let isChanged: boolean;

/** Returns JSON that the server can store. The console says which event had to be changed for it. */
export function storableJson(event: { event_type?: string; payload?: unknown }): string {
  values = 0;
  isChanged = false;
  const copy = copyAt({ event }, "event", []) as Holder;
  const json = JSON.stringify({ ...copy, payload: asObject(copy["payload"]) }).replace(
    UNSTORABLE,
    (_, backslash?: string) => backslash ?? changed("\ufffd"),
  );
  if (isChanged) warn("changed, as it cannot be stored:", event.event_type, event.payload);
  return json;
}

/** The server takes an object, or nothing. */
function asObject(payload: unknown): unknown {
  const isObject = typeof payload === "object" && !Array.isArray(payload);
  return isObject ? (payload ?? undefined) : payload && { value: payload };
}

/** Reading may throw: a getter of the host, or a `toJSON`. */
function copyAt(holder: object, key: PropertyKey, path: unknown[]): unknown {
  try {
    const value = (holder as Holder)[key] as Date;
    return copyOf(value?.toJSON ? value.toJSON() : value, path);
  } catch {
    return changed(undefined);
  }
}

/** Copies a value. `path` is what leads to it. */
function copyOf(value: unknown, path: unknown[]): unknown {
  // A larger number is not exact, and the server refuses it: as text it keeps its digits.
  const isTooLarge = typeof value === "number" && !(Math.abs(value) < 2 ** 53);
  if (isTooLarge || typeof value === "bigint") return changed(String(value));
  if (!value || typeof value !== "object") return value;
  if (path.includes(value) || path[MAX_DEPTH] || values++ > MAX_VALUES) return changed(undefined);
  const longer = [...path, value];
  if (Array.isArray(value)) return Array.from(value, (_, index) => copyAt(value, index, longer));
  return Object.fromEntries(Object.keys(value).map((key) => [key, copyAt(value, key, longer)]));
}

function changed<T>(value: T): T {
  isChanged = true;
  return value;
}
