// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let fetched: ReturnType<typeof vi.fn>;
let trackEvent: typeof import("../tracking").trackEvent;
let trackClicks: typeof import("../tracking").trackClicks;

/** The bodies that went out, in order. */
function sent(): Array<Record<string, unknown>> {
  return fetched.mock.calls.map(([, init]) => JSON.parse((init as RequestInit).body as string));
}

beforeEach(async () => {
  fetched = vi.fn(() => Promise.resolve(new Response(null, { status: 202 })));
  vi.stubGlobal("fetch", fetched);
  localStorage.clear();
  document.body.innerHTML = "";
  vi.resetModules(); // a new page: nothing is left in memory
  ({ trackEvent, trackClicks } = await import("../tracking"));
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("trackEvent", () => {
  it("posts the event so that the request outlives the page", () => {
    trackEvent("card_click", { expert_id: "ada" });

    const [url, init] = fetched.mock.calls[0] as [string, RequestInit];
    expect(url).toBe("/api/events");
    expect(init).toMatchObject({ method: "POST", keepalive: true });
    expect(init.headers).toBeUndefined(); // text/plain: no preflight across origins
    expect(sent()[0]).toEqual({
      event_id: expect.stringMatching(UUID_V7),
      event_type: "card_click",
      session_id: localStorage.getItem("tcs_session_id"),
      payload: { expert_id: "ada" },
    });
  });

  it("returns nothing and sends an empty payload where none is given", () => {
    expect(trackEvent("card_click")).toBeUndefined();
    expect(sent()[0]).toMatchObject({ payload: {} });
  });

  it("gives every event an id of its own and all events of a visitor one session", () => {
    trackEvent("card_click");
    trackEvent("card_click");
    const [first, second] = sent();
    expect(first!["event_id"]).not.toBe(second!["event_id"]);
    expect(first!["session_id"]).toBe(second!["session_id"]);
  });

  it("keeps the session of an earlier visit", () => {
    localStorage.setItem("tcs_session_id", "from last week");
    trackEvent("card_click");
    expect(sent()[0]).toMatchObject({ session_id: "from last week" });
  });

  it("replaces a stored session that the server would refuse for its length", () => {
    localStorage.setItem("tcs_session_id", "x".repeat(65));
    trackEvent("card_click");
    expect(sent()[0]!["session_id"]).toMatch(UUID_V4);
  });

  it("makes one session in memory where storage is denied", () => {
    vi.spyOn(Storage.prototype, "getItem").mockImplementation(() => {
      throw new DOMException("denied", "SecurityError");
    });
    trackEvent("card_click");
    trackEvent("card_click");
    const [first, second] = sent();
    expect(first!["session_id"]).toMatch(UUID_V4);
    expect(second!["session_id"]).toBe(first!["session_id"]);
  });

  it("gives later events later ids, for the index they go into", () => {
    vi.useFakeTimers({ now: new Date("2026-03-01T09:30:00Z") });
    trackEvent("card_click");
    vi.advanceTimersByTime(1);
    trackEvent("card_click");
    vi.useRealTimers();
    const [first, second] = sent().map((event) => event["event_id"] as string);
    expect(first! < second!).toBe(true);
    expect(parseInt(first!.replace("-", "").slice(0, 12), 16)).toBe(Date.UTC(2026, 2, 1, 9, 30));
  });

  it("makes good UUIDs on plain http, where there is no randomUUID", () => {
    const { getRandomValues } = crypto;
    vi.stubGlobal("crypto", { getRandomValues: getRandomValues.bind(crypto) });
    for (let i = 0; i < 50; i++) trackEvent("card_click");
    const ids = sent().map((event) => event["event_id"] as string);
    for (const id of ids) expect(id).toMatch(UUID_V7);
    expect(new Set(ids).size).toBe(50);
    expect(sent()[0]!["session_id"]).toMatch(UUID_V4);
  });

  it("throws nothing into the page, whatever is missing or broken", async () => {
    const circular: Record<string, unknown> = {};
    circular["self"] = circular;

    expect(() => trackEvent("card_click", circular)).not.toThrow();
    fetched.mockImplementationOnce(() => {
      throw new TypeError("blocked");
    });
    expect(() => trackEvent("card_click")).not.toThrow();
    fetched.mockImplementationOnce(() => Promise.reject(new TypeError("Failed to fetch")));
    expect(() => trackEvent("card_click")).not.toThrow();
    vi.stubGlobal("fetch", undefined);
    expect(() => trackEvent("card_click")).not.toThrow();

    // A rejection that nobody handles fails the run: vitest watches for it.
    await new Promise((resolve) => setTimeout(resolve, 10));
  });
});

describe("trackClicks", () => {
  function click(selector: string): void {
    document.querySelector(selector)!.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  }

  it("sends the type and the payload of the element around the click", () => {
    document.body.innerHTML = `
      <a data-track-event="card_click" data-track-payload='{"expert_id": "ada"}'><b>Ada</b></a>
      <i>elsewhere</i>`;
    const stop = trackClicks();
    click("b");
    click("i");
    stop();
    click("b");
    expect(sent()).toHaveLength(1);
    expect(sent()[0]).toMatchObject({ event_type: "card_click", payload: { expert_id: "ada" } });
  });

  it("sees a click that the page stops", () => {
    document.body.innerHTML = `<a data-track-event="card_click"></a>`;
    document.querySelector("a")!.addEventListener("click", (event) => event.stopPropagation());
    const stop = trackClicks();
    click("a");
    stop();
    expect(sent()).toHaveLength(1);
  });

  it("counts a click whose payload is no JSON", () => {
    document.body.innerHTML = `<a data-track-event="card_click" data-track-payload="{oops"></a>`;
    const stop = trackClicks();
    click("a");
    stop();
    expect(sent()[0]).toMatchObject({ event_type: "card_click", payload: {} });
  });
});
