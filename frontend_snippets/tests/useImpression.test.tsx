// @vitest-environment happy-dom
import { act, render } from "@testing-library/react";
import { StrictMode } from "react";
import { beforeEach, expect, it, vi } from "vitest";
import type { Impression } from "../useImpression";
import { received, usePage, wait } from "./support";

usePage();

let useImpression: typeof import("../useImpression").useImpression;

/** What the browser tells about the elements that are observed, as far as the test lets it. */
class FakeObserver {
  static all = new Set<FakeObserver>();
  element: Element | undefined;
  constructor(
    readonly callback: (entries: Array<{ intersectionRatio: number }>) => void,
    readonly options: { threshold: number },
  ) {}
  observe(element: Element): void {
    this.element = element;
    FakeObserver.all.add(this);
  }
  disconnect(): void {
    FakeObserver.all.delete(this);
  }
}

beforeEach(async () => {
  FakeObserver.all.clear();
  vi.stubGlobal("IntersectionObserver", FakeObserver);
  await openPage();
});

/** A new page of the same tab: nothing is left in memory. */
async function openPage(): Promise<void> {
  vi.resetModules();
  ({ useImpression } = await import("../useImpression"));
}

function Card(props: Partial<Impression>) {
  const impression = { expert_id: "ada", context: "grid" as const, position: 1, ...props };
  return <article id={impression.expert_id} ref={useImpression<HTMLElement>(impression)} />;
}

const inPage = { wrapper: StrictMode };

function scroll(ratio: number, id = "ada"): void {
  for (const { element, callback } of [...FakeObserver.all])
    if (element!.id === id) act(() => callback([{ intersectionRatio: ratio }]));
}

function setVisibility(state: DocumentVisibilityState): void {
  vi.spyOn(document, "visibilityState", "get").mockReturnValue(state);
  document.dispatchEvent(new Event("visibilitychange"));
}

it("sends one event once half of the card was visible for a second", async () => {
  render(<Card position={3} />, inPage);
  expect([...FakeObserver.all].map(({ options }) => options.threshold)).toEqual([0.5]);
  scroll(0.5);
  await wait(999);
  expect(received("card_impression")).toEqual([]);
  await wait(1);
  expect(received("card_impression")).toEqual([{ expert_id: "ada", context: "grid", position: 3 }]);
  await wait(10_000);
  expect(received("card_impression")).toHaveLength(1);
  expect(FakeObserver.all.size).toBe(0);
});

it("does not count less than half of a card", async () => {
  render(<Card />, inPage);
  scroll(0.49);
  await wait(5000);
  expect(received("card_impression")).toEqual([]);
});

it("begins its second anew when the card leaves and comes back", async () => {
  render(<Card />, inPage);
  scroll(0.8);
  await wait(900);
  scroll(0.1);
  await wait(5000);
  scroll(0.8);
  await wait(900);
  expect(received("card_impression")).toEqual([]);
  await wait(100);
  expect(received("card_impression")).toHaveLength(1);
});

it("does not count a card while the page is hidden", async () => {
  render(<Card />, inPage);
  scroll(1);
  await wait(500);
  setVisibility("hidden");
  await wait(5000);
  expect(received("card_impression")).toEqual([]);
  setVisibility("visible");
  await wait(1000);
  expect(received("card_impression")).toHaveLength(1);
});

it("takes half a window of a card that is higher than the window", async () => {
  vi.spyOn(Element.prototype, "getBoundingClientRect").mockReturnValue({
    height: innerHeight * 4,
  } as DOMRect);
  render(<Card />, inPage);
  expect([...FakeObserver.all].map(({ options }) => options.threshold)).toEqual([0.125]);
  scroll(0.1);
  await wait(5000);
  expect(received("card_impression")).toEqual([]);
  scroll(0.125);
  await wait(1000);
  expect(received("card_impression")).toHaveLength(1);
});

it("sends nothing of a card that goes away within the second", async () => {
  const { unmount } = render(<Card />, inPage);
  scroll(1);
  await wait(500);
  unmount();
  await wait(5000);
  expect(received("card_impression")).toEqual([]);
});

it("tells of each expert once, also on the next page of the tab", async () => {
  const { unmount } = render(<Card />, inPage);
  scroll(1);
  await wait(1000);
  unmount();
  await openPage();
  render(
    <>
      <Card />
      <Card expert_id="bo" position={2} />
    </>,
    inPage,
  );
  expect([...FakeObserver.all].map(({ element }) => element!.id)).toEqual(["bo"]);
  scroll(1, "ada");
  scroll(1, "bo");
  await wait(5000);
  expect(received("card_impression")).toMatchObject([{ expert_id: "ada" }, { expert_id: "bo" }]);
});

it("tells once of an expert with two cards in a list", async () => {
  render(
    <>
      <Card />
      <Card position={7} />
    </>,
    inPage,
  );
  scroll(1);
  await wait(5000);
  expect(received("card_impression")).toMatchObject([{ position: 1 }]);
});

it("tells of an expert once for each list", async () => {
  render(
    <>
      <Card />
      <Card context="sage_panel" />
      <Card list="similar experts" />
    </>,
    inPage,
  );
  scroll(1);
  await wait(1000);
  expect(received("card_impression").map(({ context }) => context)).toEqual([
    "grid",
    "sage_panel",
    "grid",
  ]);
});

it("tells of the position at which the card was seen for a second", async () => {
  const { rerender } = render(<Card position={5} />, inPage);
  scroll(1);
  await wait(500);
  rerender(<Card position={2} />);
  scroll(1);
  await wait(1000);
  expect(received("card_impression")).toMatchObject([{ position: 2 }]);
});

it("remembers in memory where storage is denied", async () => {
  vi.spyOn(Storage.prototype, "getItem").mockImplementation(() => {
    throw new DOMException("denied", "SecurityError");
  });
  vi.spyOn(Storage.prototype, "setItem").mockImplementation(() => {
    throw new DOMException("denied", "SecurityError");
  });
  const { unmount } = render(<Card />, inPage);
  scroll(1);
  await wait(1000);
  unmount();
  render(<Card />, inPage);
  scroll(1);
  await wait(1000);
  expect(received("card_impression")).toHaveLength(1);
});

it("does not stumble over what somebody else stored", async () => {
  sessionStorage.setItem("tcs_seen", "{oops");
  render(<Card />, inPage);
  scroll(1);
  await wait(1000);
  expect(received("card_impression")).toHaveLength(1);
});

it("watches and stores nothing without a position", async () => {
  render(<Card position={undefined} />, inPage);
  expect(FakeObserver.all.size).toBe(0);
  await wait(5000);
  expect(sessionStorage.length).toBe(0);
});

it("does nothing in a browser without IntersectionObserver", () => {
  vi.stubGlobal("IntersectionObserver", undefined);
  expect(() => render(<Card />, inPage)).not.toThrow();
});
