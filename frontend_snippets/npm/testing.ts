/**
 * Captures what pages record, for the tests of a front end, with any test runner:
 *
 *     let captured: Captured;
 *     beforeEach(() => { captured = captureEvents(); });
 *     afterEach(() => captured.dispose());
 *
 *     captured.assertOne("room_opened", { room_id: "sea-view" });
 */

import { reset, sessionId } from "../tracking";
import { storableJson } from "../tracking/storable";
import type { EventPayload, EventType } from "./index";

/** An event as the server would have stored it. */
export interface CapturedEvent<Payload = Record<string, unknown>> {
  event_type: string;
  /** As JSON holds it: a date is a text. Empty where the event had none. */
  payload: Payload;
  session_id: string;
  event_id: string;
  email?: string;
}

/** A link between a session and a person, made by `identify`. */
export interface CapturedLink {
  email: string;
  session_id: string;
}

/** Some of the fields, at any depth. A list is compared as a whole. */
export type PartialPayload<Value> = Value extends readonly unknown[]
  ? Value
  : Value extends object
    ? { [Field in keyof Value]?: PartialPayload<Value[Field]> }
    : Value;

export interface Captured {
  /** What was recorded since `captureEvents`, in order. */
  readonly events: readonly CapturedEvent[];
  /** What `identify` has linked, in order. */
  readonly identified: readonly CapturedLink[];
  /** Returns the events of a type, in order. */
  of<T extends EventType>(event_type: T): CapturedEvent<EventPayload<T>>[];
  /**
   * Returns the only event of a type whose payload has these values.
   *
   * Throws where there is none or more than one, with what was recorded instead.
   */
  assertOne<T extends EventType>(event_type: T, payload?: PartialPayload<EventPayload<T>>): CapturedEvent<EventPayload<T>>;
  /** Throws where an event was recorded: of this type, or of any. */
  assertNone(event_type?: EventType): void;
  /** Puts `fetch` back, and forgets the session and what waits. */
  dispose(): void;
}

type Fields = Record<string, unknown>;

/** Ends what is captured now: only one test runs at a time. */
let endCapture: (() => void) | undefined;

/**
 * Captures what is recorded from now on. Nothing of it leaves; other requests go where they went.
 *
 * Each call begins as a new visitor's first visit: without a session, an address, a choice on
 * consent or an event that waits. It ends what an earlier call has captured.
 */
export function captureEvents(): Captured {
  endCapture?.();
  forgetVisitor();
  const events: CapturedEvent[] = [];
  const identified: CapturedLink[] = [];
  const seen = new Set<string>();
  const theirs = globalThis.fetch;

  /** Stands in for the endpoint, which stores all that it is sent. */
  function ours(...request: Parameters<typeof fetch>): Promise<Response> {
    const sent = recordsOf(request[1]);
    if (!sent) return theirs(...request);
    for (const { event_type, payload = {}, session_id, event_id, email } of sent) {
      // As the endpoint does: an event that is sent again is stored once.
      if (seen.has(event_id)) continue;
      seen.add(event_id);
      if (event_type === undefined) identified.push({ email: email!, session_id });
      else events.push({ event_type, payload, session_id, event_id, ...(email && { email }) });
    }
    return Promise.resolve(stored());
  }

  function dispose(): void {
    if (endCapture === dispose) endCapture = undefined;
    // Where somebody has replaced it since, theirs stays.
    if (globalThis.fetch === ours) globalThis.fetch = theirs;
    forgetVisitor();
  }

  function of<T extends EventType>(event_type: T): CapturedEvent<EventPayload<T>>[] {
    return events.filter((event) => event.event_type === event_type) as never;
  }

  function assertOne<T extends EventType>(
    event_type: T,
    payload?: PartialPayload<EventPayload<T>>,
  ): CapturedEvent<EventPayload<T>> {
    const expected = asStored(payload);
    const [first, ...others] = of(event_type).filter((event) => !differences(event.payload, expected)[0]);
    if (first && !others[0]) return first;
    const found = first ? 1 + others.length : 0;
    fail(expectation(event_type, expected, found) + recorded(events, event_type, expected), assertOne);
  }

  function assertNone(event_type?: EventType): void {
    const found = event_type === undefined ? events : of(event_type);
    if (found[0]) fail(`Expected no ${event_type ?? "event"}.${recorded(events)}`, assertNone);
  }

  globalThis.fetch = ours;
  endCapture = dispose;
  return { events, identified, of, assertOne, assertNone, dispose };
}

interface Sent {
  event_type?: string;
  payload?: Fields;
  session_id: string;
  event_id: string;
  email?: string;
}

/** Returns what a request of the tracker sends; undefined for requests of others. */
function recordsOf(init: RequestInit | undefined): Sent[] | undefined {
  if (!init?.keepalive || typeof init.body !== "string") return undefined;
  try {
    const body = JSON.parse(init.body) as Sent & { events?: Sent[] };
    const sent = body.events ?? [body];
    return sent.every((one) => one.event_id && one.session_id && "age_ms" in one) ? sent : undefined;
  } catch {
    return undefined;
  }
}

/** The endpoint's answer. Not a `Response`, which Jest's jsdom does not have. */
function stored(): Response {
  const headers = { get: (name: string) => (name === "X-TCS-Events" ? "1" : null) };
  return { status: 202, ok: true, url: "", headers, json: () => Promise.resolve({ rejected: [] }) } as unknown as Response;
}

function forgetVisitor(): void {
  try {
    for (const storage of [localStorage, sessionStorage])
      for (const name of Object.keys(storage)) if (name.startsWith("tcs_")) storage.removeItem(name);
  } catch {
    // Without storage the tracker keeps all in memory, which `reset` clears.
  }
  reset();
}

/** Returns the values as they are stored: an event's payload has been through JSON, too. */
function asStored(payload: unknown): unknown {
  return (JSON.parse(storableJson({ payload })) as { payload?: unknown }).payload ?? {};
}

/** Returns how a payload differs from the values that are expected of it, a line for each. */
function differences(actual: unknown, expected: unknown, path = ""): string[] {
  if (isObject(expected) && isObject(actual)) {
    return Object.entries(expected).flatMap(([name, value]) => differences(actual[name], value, path ? `${path}.${name}` : name));
  }
  const [found, wanted] = [JSON.stringify(sorted(actual)), JSON.stringify(sorted(expected))];
  return found === wanted ? [] : [`${path}: expected ${wanted}, got ${found ?? "nothing"}`];
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns the value with the fields of objects in order, as their order has no meaning. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]));
}

function expectation(event_type: string, expected: unknown, found: number): string {
  const values = Object.keys(expected as object).length > 0 ? ` with ${JSON.stringify(expected)}` : "";
  return `Expected one ${event_type}${values}, got ${found}.`;
}

/** Returns what was recorded, and how each event of the type differs from what is expected. */
function recorded(events: readonly CapturedEvent[], event_type?: string, expected?: unknown): string {
  if (events.length === 0) return `\nNothing was recorded.${hint()}`;
  const lines = events.flatMap((event, index) => {
    const line = `  ${index + 1}. ${event.event_type} ${JSON.stringify(event.payload)}`;
    if (event.event_type !== event_type) return line;
    return [line, ...differences(event.payload, expected).map((difference) => `       ${difference}`)];
  });
  return `\nRecorded:\n${lines.join("\n")}`;
}

function hint(): string {
  if (typeof document === "undefined") return " There is no page: the test needs an environment with a DOM, such as happy-dom.";
  return sessionId() ? "" : " The visitor may not be tracked: see `consent`, Global Privacy Control and `stop`.";
}

/** Throws with a stack that ends in the test, at the line of the assertion. */
function fail(message: string, assertion: unknown): never {
  const error = new Error(message);
  error.name = "AssertionError";
  (Error as { captureStackTrace?: (error: Error, until: unknown) => void }).captureStackTrace?.(error, assertion);
  throw error;
}
