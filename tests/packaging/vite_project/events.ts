import type {} from "tcs-events";

export interface RoomOpened { room_id: string; source: "list" | "map" }

declare module "tcs-events" {
  interface EventTypes {
    room_opened: RoomOpened;
    map_hidden: { seconds?: number };
  }
}
