/**
 * Records what visitors do, and loses none of it: an event stays in the browser until the server
 * has said that it is stored, and is sent again with the same `event_id` until then.
 *
 * Copy this file and the folder `tracking/` into a bundled front end and import `trackEvent`. A page
 * without a bundler loads the built script instead, and calls `tcsEvents.trackEvent`.
 */

import { trackClicks } from "./tracking/clicks";
import { deliver, flush, flushOnOccasions } from "./tracking/delivery";
import { options, setEndpoint, type Options } from "./tracking/options";
import { attempt, listen } from "./tracking/page";
import type { Waiting } from "./tracking/queue";
import { storableJson } from "./tracking/storable";
import { timeUuid } from "./tracking/uuid";
import {
  canTrack,
  endSession,
  endTracking,
  onStorageChange,
  rememberConsent,
  session,
  startSession,
} from "./tracking/visitor";

export type { Options };

/** Where on the page an expert's card is: in the list, or in an answer of Sage. */
export type CardContext = CardClick["context"];

/** The active filters. A filter that is off is left out. */
export type Filters = SageQuery["filters"];

// Made by payload_types.py:
/** The visitor clicked the card of an expert. */
type CardClick = {
  expert_id: string;
  context: "grid" | "sage_panel";
};

/** The visitor asked Sage, and an answer arrived. */
type SageQuery = {
  query_text: string;
  function_called: "search_experts" | "apply_filters";
  /**
   * Null or left out where the answer does not say, as when it only applied
   * filters.
   */
  result_count?: number | null | undefined;
  expert_ids: string[];
  filters: Record<string, unknown>;
};

/** The visitor changed a filter, and the new results arrived. */
type FilterChange = {
  filter: string;
  value: unknown;
  filters: Record<string, unknown>;
  result_count: number;
};

/** At least half of an expert's card was in view for a second. */
type CardImpression = {
  expert_id: string;
  context: "grid" | "sage_panel";
  position: number;
};

/**
 * The event types and their payloads, so that a misspelt type or field does
 * not compile. Add yours: declare the interface again, inside of `declare
 * module "./tracking" { }`.
 */
export interface EventPayloads {
  card_click: CardClick;
  sage_query: SageQuery;
  filter_change: FilterChange;
  card_impression: CardImpression;
}
// End of what is made.

export type EventType = keyof EventPayloads;

/**
 * Records an event. It returns at once and never throws, and its request outlives the page that a
 * click leaves. What JSON cannot hold is replaced or left out, and the console says so.
 *
 * Does nothing on a server that renders pages.
 */
export function trackEvent<T extends EventType>(event_type: T, payload: EventPayloads[T]): void {
  recordEvent(event_type, payload);
}

/** Links the visitor's session, its past and its future, to a person. Changes no stored event. */
export function identify(email: string): void {
  if (email) record({ email });
}

/** Sets options. Those that are left out stay as they are. */
export function configure(changes: Options): void {
  attempt(() => {
    const { endpoint, consent, ...others } = changes;
    Object.assign(options, others);
    if (endpoint) setEndpoint(endpoint);
    if (consent !== undefined) rememberConsent(consent);
    startSession();
    flush();
  });
}

/** Starts another session, without an address: for a logout, as the next visitor may be another. */
export function reset(): void {
  endSession();
  startSession();
}

/** Returns the visitor's session, to be sent to the host's own server. None without consent. */
export function sessionId(): string | undefined {
  return attempt(() => (canTrack() ? session() : undefined));
}

/** Ends tracking on this page. What still waits is sent by the next page. */
export function stop(): void {
  endTracking();
}

function recordEvent(event_type: string, payload: unknown): void {
  record({ event_type, payload, email: options.email || undefined });
}

function record(said: Pick<Waiting, "event_type" | "payload" | "email">): void {
  attempt(() => {
    if (!canTrack()) return;
    const at = Date.now();
    const event_id = timeUuid(at);
    const event = { ...said, event_id, session_id: session(), at };
    deliver(event_id, storableJson(event));
  });
}

if (typeof document === "object") {
  trackClicks(recordEvent);
  flushOnOccasions();
  listen(["storage"], onStorageChange);
  // Not at once: whoever imports this may still have to say where events go.
  queueMicrotask(() => {
    startSession();
    flush();
  });
}
