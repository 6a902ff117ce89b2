/**
 * Sends what visitors do to `POST /api/events`, and loses none of it: what the server has not
 * acknowledged stays in `localStorage` and is sent again, by this page, by the next one or by
 * another tab, with the same `event_id`, so that it is stored once.
 *
 * Copy this file into a bundled front end and import `trackEvent`, or load its built copy by
 * `<script src="/api/events/tracker.js" defer></script>` and call `tcsEvents.trackEvent`.
 */

/** Where on the page an expert's card is: in the list, or in an answer of Sage. */
export type CardContext = "grid" | "sage_panel";

/** What the visitor has filtered by; a filter that is off is left out. */
export type Filters = Record<string, unknown>;

/**
 * The event types and their payloads, so that a misspelt type or field does not compile. Add yours:
 * `declare module "./tracking" { interface EventPayloads { sign_up: { plan: string } } }`.
 */
export interface EventPayloads {
  card_click: { expert_id: string; context: CardContext };
  sage_query: {
    query_text: string;
    function_called: "search_experts" | "apply_filters";
    result_count: number;
    expert_ids: string[];
    filters: Filters;
  };
  filter_change: { filter: string; value: unknown; filters: Filters; result_count: number };
  card_impression: { expert_id: string; context: CardContext; position: number };
}

export type EventType = keyof EventPayloads;

export interface Options {
  /** Where events go. Defaults to where the script came from, else to `/api/events`. */
  endpoint?: string;
  /** Sent with every event from now on, for a visitor who is known. Defaults to none. */
  email?: string | undefined;
  /** Whether a browser that says Global Privacy Control is left alone. Defaults to true. */
  respectGpc?: boolean;
  /** False sends nothing and forgets what is stored, the session too. Defaults to true. */
  consent?: boolean;
}

/** What is stored of an event: until when it is on its way, when it happened, what to send. */
type Entry = [claimedUntil: number, at: number, body: { event_type?: string }];

type Gpc = { globalPrivacyControl?: boolean };

const SESSION = "tcs_session_id";
const MAX_EVENTS = 50;
/** Browsers let the requests that outlive a page have 64 KiB together. */
const MAX_BYTES = 49e3;
/** For so long nobody sends an event again that is on its way: its answer is still to come. */
const CLAIM_MS = 1e4;
const TICK_MS = 2e3;
const FIRST_WAIT_MS = 1e3;
const LONGEST_WAIT_MS = 3e5;

/** Set by the build of the script that a tag loads; a bundler does not know it. */
declare const IS_SCRIPT: true | undefined;
declare let tcsEvents: object;
const isScript = typeof IS_SCRIPT !== "undefined";

let options: Options = {
  endpoint: isScript
    ? (document.currentScript as HTMLScriptElement).src.replace(/.tracker.js.*/, "")
    : "/api/events",
};
/** `localStorage`; or what would be in it, for as long as the page lives, where it is denied. */
let storage: Record<string, string> = {};
let session: string;
let quietUntil = 0;
let waitMs = FIRST_WAIT_MS;

/**
 * Records an event of the visitor. Call it and go on: it returns nothing, throws nothing and waits
 * for nothing, and the request outlives the page that a click leaves.
 *
 * Does nothing where there is no browser, as in server-side rendering.
 */
export function trackEvent<T extends EventType>(event_type: T, payload: EventPayloads[T]): void {
  flush({ event_type, payload, email: options.email });
}

/** Links the visitor's session, its past and its future, to a person. Rewrites no event. */
export function identify(email: string): void {
  flush({ email });
}

/** Sets options; those that are left out stay as they are. */
export function configure(changes: Options): void {
  options = { ...options, ...changes };
  flush();
}

/** Ends tracking on this page. What is not acknowledged stays stored, for the next page to send. */
export function stop(): void {
  flush = attempt as never; // which does nothing, as there is nothing to do
}

/**
 * Queues something new, if anything, and sends all that is queued and not on its way already. In one
 * piece because the script has 1,000 bytes: what is called once is written where it is called.
 */
let flush = (body?: object): void =>
  attempt(() => {
    const now = Date.now();
    storage = attempt(() => localStorage as unknown as typeof storage) ?? storage;
    if (body) {
      keep(SESSION, (session = storage[SESSION] || session || uuid()));
      // A UUID that begins with the time, which the database's index likes: RFC 9562, section 5.7.
      const event_id = now.toString(16).replace(/.{7}/, "0$&-") + "-7" + uuid().slice(15);
      keep(
        "tcs_e_" + event_id,
        // No claim yet, but as long as one: a storage that takes this will take the claim.
        JSON.stringify([now, now, { event_id, session_id: session, ...body }]),
      );
    }
    const queue = Object.entries(storage)
      .filter((item) => /^tcs_e_/.test(item as never))
      .sort(); // by their ids: the oldest come first
    if (
      (!isScript && !document) || // throws where there is no page
      options.consent === false ||
      (options.respectGpc !== false && (navigator as Gpc).globalPrivacyControl)
    )
      throw [[SESSION], ...queue].map(([key]) => delete storage[key!]);
    while (queue[MAX_EVENTS] || new Blob(queue as never).size > MAX_BYTES)
      delete storage[queue.shift()![0]];
    if (now > quietUntil)
      queue.map(([key, text]) =>
        attempt(() => {
          const [claimedUntil, at, body] = JSON.parse(text) as Entry;
          // A claim that is further off was made before the clock was set back.
          if (claimedUntil > now && claimedUntil <= now + CLAIM_MS) return;
          keep(key, JSON.stringify([now + CLAIM_MS, at, body]));
          fetch(options.endpoint + (body.event_type ? "" : "/identify"), {
            method: "POST",
            keepalive: true,
            // No Content-Type: a string goes as text/plain, which needs no preflight across origins.
            body: JSON.stringify({ ...body, age_ms: Math.max(0, now - at) }),
          })
            .then((response) => {
              // Stored, or refused for good. 429 and 5xx mean "later"; 200 is another's answer.
              if (!/202|4.[^9]/.test(response.status as never))
                throw response.headers.get("Retry-After");
              waitMs = FIRST_WAIT_MS;
              delete storage[key];
            })
            .catch((retryAfter) => {
              // Of several that fail together, the first one counts.
              if (quietUntil < now)
                quietUntil =
                  Date.now() +
                  (retryAfter * 1e3 || (waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS))) *
                    (1 + Math.random()); // so that visitors do not come back all at once
            });
        }),
      );
  });

/** Where storage is full the entry is in memory for now, and is sent from there. */
function keep(key: string, text: string): void {
  try {
    // What is longer than the whole queue would only push out all others.
    text[MAX_BYTES] || (storage[key] = text);
  } catch {
    storage = { ...storage, [key]: text };
  }
}

/** A random UUID: RFC 9562, section 5.4. */
function uuid(): string {
  return (
    // Browsers offer randomUUID on https and localhost only. Thirty decimal digits will do, too.
    crypto.randomUUID?.() ??
    "xxxxxxxx-xxxx-4xxx-axxx-xxxxxxxxxxxx".replace(/x/g, () =>
      (crypto.getRandomValues(new Uint8Array(1))[0]! % 10) as never,
    )
  );
}

/** What is missing or denied is no reason to throw: the page comes first. */
function attempt<T>(action: () => T): T | void {
  try {
    return action();
  } catch {}
}

/** Tracks a click on an element with `data-track-event`, and takes every occasion to send. */
function onEvent(event: Event): void {
  if (event.type == "online") quietUntil = 0;
  attempt(() => {
    const data = (event.target as Element).closest<HTMLElement>("[data-track-event]")!.dataset;
    trackEvent(
      data["trackEvent"] as EventType,
      // A payload that is no JSON is left out: the click happened all the same.
      attempt(() => JSON.parse(data["trackPayload"]!)) as never,
    );
  });
  flush();
}

if (isScript || typeof document === "object") {
  // Capturing: a handler of the page that stops the click does not hide it from us.
  ["click", "online", "pagehide", "visibilitychange"].map((type) =>
    addEventListener(type, onEvent as EventListener, true),
  );
  setInterval(onEvent, TICK_MS, 0);
  if (isScript) tcsEvents = { trackEvent, identify, configure, stop };
}
