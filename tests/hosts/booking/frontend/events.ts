// Made by `flask tcs-events types --ts` from the event types that the server
// declares. Do not edit it: run the command again.
import type {} from "tcs-events";

/** Searched, and saw the rooms that were found. */
export interface Search {
  text: string;
  found: number;
  rooms: string[];
  filters: Record<string, unknown>;
}

/** Changed a filter, and saw the rooms that were left. */
export interface FilterChanged {
  filter: "max_price";
  value: number | null;
  filters: Record<string, unknown>;
  found: number;
}

/** Had a room on the screen. */
export interface RoomSeen {
  room_id: string;
  position: number;
}

/** Opened the page of a room. */
export interface RoomOpened {
  room_id: string;
  source: "list" | "map";
}

/** Booked a room. */
export interface BookingDone {
  room_id: string;
  nights: number;
  plan: "saver" | "flexible";
  price: number;
}

/** Signed up as a user. */
export interface SignUp {
  plan: "free" | "club";
}

/** The payload of each event type. */
export interface EventPayloads {
  search: Search;
  filter_changed: FilterChanged;
  room_seen: RoomSeen;
  room_opened: RoomOpened;
  booking_done: BookingDone;
  sign_up: SignUp;
}

/** The arguments of `trackEvent`: for your own functions that pass them on. */
export type TrackedEvent = {
  [Name in keyof EventPayloads]: [event_type: Name, payload: EventPayloads[Name]];
}[keyof EventPayloads];

declare module "tcs-events" {
  interface EventTypes extends EventPayloads {}
}
