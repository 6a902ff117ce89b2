// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CookieJar } from "./cookieJar";

type Api = typeof import("../tracking");
type Global = Partial<Api> & { q?: unknown[][] };

const page = window as unknown as { tcsEvents?: Global };
let fetched: ReturnType<typeof vi.fn>;

beforeEach(() => {
  fetched = vi.fn(() => new Promise(() => {}));
  vi.stubGlobal("fetch", fetched);
  vi.spyOn(console, "warn").mockReturnValue();
  localStorage.clear();
  document.head.innerHTML = "";
  delete page.tcsEvents;
});

afterEach(() => {
  page.tcsEvents?.stop?.();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** Runs the script as a tag with these attributes does; as a module does, where `isModule`. */
async function load(attributes: Record<string, string> = {}, isModule = false): Promise<void> {
  const tag = document.createElement("script");
  for (const [name, value] of Object.entries(attributes)) tag.setAttribute(name, value);
  tag.type = "text/plain"; // happy-dom shall not load it
  document.head.append(tag);
  vi.spyOn(document, "currentScript", "get").mockReturnValue(isModule ? null : tag);
  vi.resetModules();
  await import("../tracking/script");
}

function addresses(): string[] {
  return fetched.mock.calls.map(([url]) => url as string);
}

function types(): unknown[] {
  return fetched.mock.calls.map(
    ([, { body }]) => (JSON.parse(body as string) as { event_type: string }).event_type,
  );
}

const track = () => page.tcsEvents!.trackEvent!("card_click", { expert_id: "ada", context: "grid" });

describe("where events go", () => {
  it.each([
    ["its own address", { src: "https://shop.example/api/events/tracker.js" }, "https://shop.example/api/events"],
    ["its own address with a version", { src: "https://shop.example/x/client.js?v=1" }, "https://shop.example/x"],
    ["the root", { src: "https://shop.example/client.js" }, "https://shop.example/"],
    ["data-endpoint first", { src: "https://cdn.example/tracker.js", "data-endpoint": "https://shop.example/e/" }, "https://shop.example/e/"],
    ["the default where the host has renamed it", { src: "https://cdn.example/assets/app.js" }, new URL("/api/events", document.baseURI).href],
    ["the default where it is inlined", {}, new URL("/api/events", document.baseURI).href],
  ])("is %s", async (_, attributes: Record<string, string>, endpoint) => {
    await load(attributes);
    track();
    expect(addresses()).toEqual([endpoint]);
  });

  it.each([
    ["its own address", { src: "https://shop.example/x/tracker.js" }, "https://shop.example/x"],
    ["data-endpoint", { src: "https://cdn.example/app.js", "data-endpoint": "https://shop.example/e" }, "https://shop.example/e"],
    ["the default where it cannot be told", { src: "https://cdn.example/app.js" }, new URL("/api/events", document.baseURI).href],
  ])("is %s for a module, which does not know its tag", async (_, attributes: Record<string, string>, endpoint) => {
    await load(attributes, true);
    track();
    expect(addresses()).toEqual([endpoint]);
  });

  it("is no reason to throw where it is nonsense", async () => {
    await load({ "data-endpoint": "http://[" });
    track();
    expect(addresses()).toHaveLength(1);
  });
});

describe("the global", () => {
  it("has all functions", async () => {
    await load();
    expect(Object.keys(page.tcsEvents!).sort()).toEqual([
      "configure", "identify", "reset", "sessionId", "stop", "trackEvent",
    ]);
  });

  it("makes the calls that were made before it was there, in their order", async () => {
    const early: Global = {
      q: [
        ["configure", { endpoint: "https://shop.example/e" }],
        ["trackEvent", "first", {}],
        ["unheard-of", 1],
        ["trackEvent", "second", {}],
      ],
    };
    page.tcsEvents = early;
    await load();
    expect(addresses()).toEqual(["https://shop.example/e", "https://shop.example/e"]);
    expect(types()).toEqual(["first", "second"]);
    expect(page.tcsEvents).toBe(early); // which the page may hold
    expect(early.q).toBeUndefined();
  });

  it("is made once, however often the script is loaded", async () => {
    await load({ src: "https://shop.example/api/events/tracker.js" });
    const { trackEvent } = page.tcsEvents!;
    await load({ src: "https://elsewhere.example/tracker.js" });
    expect(page.tcsEvents!.trackEvent).toBe(trackEvent);
    document.body.innerHTML = `<a data-track-event="card_click"></a>`;
    document.querySelector("a")!.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    expect(addresses()).toEqual(["https://shop.example/api/events"]);
  });
});

describe("data-consent", () => {
  it("waits for a yes where it is false, and remembers it", async () => {
    await load({ "data-consent": "false" });
    track();
    expect(addresses()).toEqual([]);
    expect(localStorage.length).toBe(0);
    page.tcsEvents!.configure!({ consent: true });
    track();
    expect(addresses()).toHaveLength(1);
    page.tcsEvents!.stop!();
    delete page.tcsEvents;
    await load({ "data-consent": "false" });
    track();
    expect(addresses()).toHaveLength(2);
  });
});

describe("data-cookie", () => {
  let jar: CookieJar;

  beforeEach(() => {
    jar = new CookieJar();
  });

  afterEach(() => jar.close());

  it.each([
    ["", true],
    ["true", true],
    ["false", false],
    [undefined, false],
  ])("%j asks for the cookie: %s", async (value, isAsked) => {
    document.cookie = "tcs_session_id=stale; Path=/";
    localStorage.setItem("tcs_session_id", "session-1");
    await load(value === undefined ? {} : { "data-cookie": value });
    // In the built script this comes at the end. Here each module is loaded for itself.
    page.tcsEvents!.configure!({});
    expect(document.cookie).toBe(isAsked ? "tcs_session_id=session-1" : "");
  });

  it("waits for consent", async () => {
    await load({ "data-cookie": "", "data-consent": "false" });
    page.tcsEvents!.configure!({});
    expect(document.cookie).toBe("");
    page.tcsEvents!.configure!({ consent: true });
    expect(document.cookie).toBe(`tcs_session_id=${page.tcsEvents!.sessionId!()!}`);
  });
});
