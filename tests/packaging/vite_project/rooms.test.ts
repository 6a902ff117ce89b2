import { afterEach, beforeEach, expect, it } from "vitest";
import { trackEvent } from "tcs-events";
import { captureEvents, type Captured } from "tcs-events/testing";

let captured: Captured;

beforeEach(() => {
  captured = captureEvents();
});

afterEach(() => captured.dispose());

it("records the room that is opened", () => {
  trackEvent("room_opened", { room_id: "sea-view", source: "map" });
  captured.assertOne("room_opened", { room_id: "sea-view" });
});

it("knows nothing of the test before", () => {
  captured.assertNone();
  trackEvent("room_opened", { room_id: "sea-view", source: "list" });
  const { payload } = captured.assertOne("room_opened");
  expect(payload.source).toBe("list");
  const wrong = () => captured.assertOne("room_opened", { source: "map" });
  expect(wrong).toThrow('source: expected "map", got "list"');
});
