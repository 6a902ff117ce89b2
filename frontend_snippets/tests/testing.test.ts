// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { configure, identify, reset, sessionId, stop, trackEvent } from "../npm/index";
import { captureEvents, type Captured } from "../npm/testing";

const UUID = /^[0-9a-f-]{36}$/;

let elsewhere: ReturnType<typeof vi.fn>;
let captured: Captured;

beforeEach(() => {
  elsewhere = vi.fn(() => Promise.resolve(new Response("theirs")));
  vi.stubGlobal("fetch", elsewhere);
  captured = captureEvents();
});

afterEach(() => {
  captured.dispose();
  vi.unstubAllGlobals();
});

function messageOf(assertion: () => unknown): string {
  try {
    assertion();
  } catch (error) {
    return (error as Error).message;
  }
  return "nothing thrown";
}

describe("what is captured", () => {
  it("is each event, at once and in order, with what the server would store", () => {
    trackEvent("room_opened", { room_id: "sea-view", at: new Date(0), size: 10n });
    trackEvent("map_hidden");
    expect(captured.events).toEqual([
      {
        event_type: "room_opened",
        payload: { room_id: "sea-view", at: "1970-01-01T00:00:00.000Z", size: "10" },
        session_id: sessionId(),
        event_id: expect.stringMatching(UUID) as string,
      },
      { event_type: "map_hidden", payload: {}, session_id: sessionId(), event_id: expect.stringMatching(UUID) as string },
    ]);
  });

  it("has the address that is known, and the links", () => {
    configure({ email: "ada@example.com" });
    trackEvent("map_hidden");
    identify("bob@example.com");
    expect(captured.events[0]).toMatchObject({ email: "ada@example.com" });
    expect(captured.identified).toEqual([{ email: "bob@example.com", session_id: sessionId() }]);
    expect(captured.events).toHaveLength(1);
  });

  it("has the new session after a reset", () => {
    trackEvent("map_hidden");
    reset();
    trackEvent("map_hidden");
    const [before, after] = captured.of("map_hidden");
    expect(after!.session_id).not.toBe(before!.session_id);
  });

  it("is what a click on a marked element records", () => {
    document.body.innerHTML = `<a data-track-event="map_hidden" data-track-payload='{"seconds": 3}'>Hide</a>`;
    document.querySelector("a")!.click();
    captured.assertOne("map_hidden", { seconds: 3 });
  });

  it("leaves nothing to be sent, and other requests alone", async () => {
    trackEvent("map_hidden");
    const answer = await fetch("/rooms", { method: "POST", keepalive: true, body: '{"event_id": 1}' });
    expect(await answer.text()).toBe("theirs");
    expect(elsewhere).toHaveBeenCalledTimes(1);
    const waiting = () => Object.keys(localStorage).filter((name) => name.startsWith("tcs_e_"));
    await vi.waitFor(() => expect(waiting()).toEqual([]));
    expect(captured.events).toHaveLength(1);
  });

  it("is one event, though it is sent twice", async () => {
    const event = { event_type: "search", event_id: "1", session_id: "s", age_ms: 0 };
    for (let i = 0; i < 2; i++) await fetch("/api/events", { keepalive: true, body: JSON.stringify(event) });
    await fetch("/api/events/batch", { keepalive: true, body: JSON.stringify({ events: [event, { ...event, event_id: "2" }] }) });
    expect(captured.events).toHaveLength(2);
    expect(elsewhere).not.toHaveBeenCalled();
  });

  it("is nothing where the visitor has refused", () => {
    configure({ consent: false });
    trackEvent("map_hidden");
    captured.assertNone();
    expect(messageOf(() => captured.assertOne("map_hidden"))).toBe(
      "Expected one map_hidden, got 0.\n" +
        "Nothing was recorded. The visitor may not be tracked: see `consent`, Global Privacy Control and `stop`.",
    );
  });
});

describe("one test after another", () => {
  it("begins without what the one before has left", () => {
    configure({ email: "ada@example.com", consent: true });
    trackEvent("map_hidden");
    const session = sessionId();
    configure({ consent: false });
    sessionStorage.setItem("tcs_seen", "[]");
    localStorage.setItem("theirs", "kept");
    const next = captureEvents(); // without `dispose`
    expect(next.events).toEqual([]);
    trackEvent("map_hidden");
    expect(next.events).toHaveLength(1);
    expect(next.events[0]).not.toHaveProperty("email");
    expect(next.events[0]!.session_id).not.toBe(session);
    expect(captured.events).toHaveLength(1);
    expect(sessionStorage.getItem("tcs_seen")).toBeNull();
    expect(localStorage.getItem("theirs")).toBe("kept");
    next.dispose();
    expect(fetch).toBe(elsewhere);
  });

  it("sends none of what the one before had waiting", async () => {
    captured.dispose();
    elsewhere.mockImplementation(() => Promise.reject(new TypeError("Failed to fetch")));
    vi.spyOn(console, "warn").mockReturnValue();
    trackEvent("map_hidden");
    await new Promise((resolve) => setTimeout(resolve));
    const next = captureEvents();
    configure({});
    window.dispatchEvent(new Event("online"));
    trackEvent("room_opened");
    expect(next.events.map((event) => event.event_type)).toEqual(["room_opened"]);
  });

  it("gives fetch back, unless somebody else has replaced it since", () => {
    captured.dispose();
    expect(fetch).toBe(elsewhere);
    captured = captureEvents();
    const theirs = vi.fn();
    vi.stubGlobal("fetch", theirs);
    captured.dispose();
    expect(fetch).toBe(theirs);
  });
});

describe("assertOne", () => {
  beforeEach(() => {
    trackEvent("search", { query: "sea" });
    trackEvent("room_opened", { room_id: "a", filters: { price: 100, tags: ["sea"] } });
    trackEvent("room_opened", { room_id: "b", filters: { price: 200, tags: [] } });
  });

  it("returns the event that has these values, and maybe others", () => {
    expect(captured.assertOne("room_opened", { room_id: "b" }).payload).toMatchObject({ filters: { price: 200 } });
    captured.assertOne("room_opened", { filters: { price: 100 } });
    captured.assertOne("room_opened", { filters: { tags: ["sea"] } });
    captured.assertOne("search");
  });

  it("compares values as they are stored, in any order of the fields", () => {
    trackEvent("booked", { from: new Date(0), price: { amount: 1, currency: "EUR" }, guests: [{ age: 7, name: "Bo" }] });
    captured.assertOne("booked", { from: new Date(0) });
    captured.assertOne("booked", { price: { currency: "EUR", amount: 1 } });
    captured.assertOne("booked", { guests: [{ name: "Bo", age: 7 }] });
  });

  it("says what was recorded instead, and what is different", () => {
    expect(messageOf(() => captured.assertOne("room_opened", { room_id: "c", filters: { price: 200 } }))).toBe(
      [
        'Expected one room_opened with {"room_id":"c","filters":{"price":200}}, got 0.',
        "Recorded:",
        '  1. search {"query":"sea"}',
        '  2. room_opened {"room_id":"a","filters":{"price":100,"tags":["sea"]}}',
        '       room_id: expected "c", got "a"',
        "       filters.price: expected 200, got 100",
        '  3. room_opened {"room_id":"b","filters":{"price":200,"tags":[]}}',
        '       room_id: expected "c", got "b"',
      ].join("\n"),
    );
  });

  it("says that a field is missing, and that a list is another", () => {
    const message = messageOf(() => captured.assertOne("search", { plan: "pro", query: ["sea"] }));
    expect(message).toContain('       plan: expected "pro", got nothing\n       query: expected ["sea"], got "sea"');
  });

  it("refuses two", () => {
    expect(messageOf(() => captured.assertOne("room_opened"))).toMatch(/^Expected one room_opened, got 2\.\n/);
  });

  it("points at the line of the test", () => {
    const error = (() => {
      try {
        return captured.assertOne("nothing");
      } catch (error) {
        return error as Error;
      }
    })() as Error;
    expect(error.name).toBe("AssertionError");
    expect(error.stack!.split("\n    at ")[1]).toContain("testing.test.ts");
  });

  it("can be taken out of its object", () => {
    const { assertOne, assertNone, of } = captured;
    assertOne("search");
    assertNone("booked");
    expect(of("room_opened")).toHaveLength(2);
  });
});

describe("assertNone", () => {
  it("passes where nothing of the kind was recorded", () => {
    captured.assertNone();
    trackEvent("search", {});
    captured.assertNone("booked");
    expect(messageOf(() => captured.assertNone("search"))).toBe("Expected no search.\nRecorded:\n  1. search {}");
    expect(messageOf(() => captured.assertNone())).toBe("Expected no event.\nRecorded:\n  1. search {}");
  });
});

// The last one, as there is no way back.
it("says so after stop", () => {
  stop();
  trackEvent("search", {});
  expect(messageOf(() => captured.assertOne("search"))).toContain("`stop`");
});
