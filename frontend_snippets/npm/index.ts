/**
 * The npm package `tcs-events`: the tracker, for a front end with a bundler.
 *
 * `flask tcs-events types --ts` writes a file that declares your event types here. From then on a
 * misspelt type or field does not compile.
 */

import { trackEvent as track, type configure, type identify, type reset, type sessionId, type stop } from "../tracking";

export { configure, identify, reset, sessionId, stop, type Options } from "../tracking";

/** The payloads of your event types, by their names: `declare module "tcs-events"` adds to it. */
export interface EventTypes {}

/** The names that are declared. Any name, while none is. */
export type EventType = keyof EventTypes extends never ? string : keyof EventTypes;

/** What is sent with an event of a type. */
export type EventPayload<T extends EventType> = T extends keyof EventTypes ? EventTypes[T] : object;

/** A payload may be left out where none of its fields is required. */
type PayloadArguments<Payload> = object extends Payload ? [payload?: Payload] : [payload: Payload];

/**
 * Records an event. It returns at once and never throws, and its request outlives the page that a
 * click leaves. What JSON cannot hold is replaced or left out, and the console says so.
 *
 * Does nothing on a server that renders pages.
 */
export function trackEvent<T extends EventType>(event_type: T, ...[payload]: PayloadArguments<EventPayload<T>>): void {
  track(event_type as never, payload as never);
}

/** What the script tag makes of `window.tcsEvents`, typed by the same event types. */
export interface TcsEvents {
  trackEvent: typeof trackEvent;
  identify: typeof identify;
  configure: typeof configure;
  reset: typeof reset;
  sessionId: typeof sessionId;
  stop: typeof stop;
}

declare global {
  /** Not there where a blocker has kept the script and the line before it away. */
  var tcsEvents: TcsEvents | undefined;
}
