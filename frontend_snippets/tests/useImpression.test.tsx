// @vitest-environment happy-dom
import { act, render } from "@testing-library/react";
import { StrictMode } from "react";
import { beforeEach, expect, it, vi } from "vitest";
import type { Impression } from "../useImpression";
import { received, usePage, wait } from "./support";

usePage();

let useImpression: typeof import("../useImpression").useImpression;

interface FakeEntry {
  intersectionRatio: number;
  boundingClientRect?: { width: number; height: number };
}

/** What the browser tells about the elements that are observed, as far as the test lets it. */
class FakeObserver {
  static all = new Set<FakeObserver>();
  element: Element | undefined;
  constructor(
    readonly callback: (entries: FakeEntry[]) => void,
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

/** Says that an element it observes has another size, where the test has it say so. */
class FakeSizes {
  static all = new Set<FakeSizes>();
  readonly elements = new Set<Element>();
  constructor(readonly callback: () => void) {
    FakeSizes.all.add(this);
  }
  observe(element: Element): void {
    this.elements.add(element);
  }
  disconnect(): void {
    FakeSizes.all.delete(this);
  }
}

beforeEach(async () => {
  FakeObserver.all.clear();
  FakeSizes.all.clear();
  vi.stubGlobal("ResizeObserver", FakeSizes);
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

/** Gives the card another size, of which the given share is in view. */
function resize(width: number, height: number, share: number): void {
  vi.spyOn(Element.prototype, "getBoundingClientRect").mockReturnValue({ width, height } as DOMRect);
  for (const sizes of [...FakeSizes.all]) act(() => sizes.callback());
  const boundingClientRect = { width, height };
  for (const { callback } of [...FakeObserver.all])
    act(() => callback([{ intersectionRatio: share, boundingClientRect }]));
}

const thresholds = () => [...FakeObserver.all].map(({ options }) => options.threshold);

function setVisibility(state: DocumentVisibilityState): void {
  vi.spyOn(document, "visibilityState", "get").mockReturnValue(state);
  document.dispatchEvent(new Event("visibilitychange"));
}

it("sends one event once half of the card was visible for a second", async () => {
  render(<Card position={3} />, inPage);
  expect(thresholds()).toEqual([0.5]);
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
  expect(thresholds()).toEqual([0.125]);
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

it("tells once of two cards that show the same", async () => {
  render(
    <>
      <Card />
      <Card />
    </>,
    inPage,
  );
  scroll(1);
  await wait(5000);
  expect(received("card_impression")).toHaveLength(1);
});

it("tells of an expert again whose card has moved to another position", async () => {
  const { rerender } = render(<Card position={1} />, inPage);
  scroll(1);
  await wait(1000);
  rerender(<Card position={4} />);
  scroll(1);
  await wait(1000);
  rerender(<Card position={1} />);
  scroll(1);
  await wait(5000);
  expect(received("card_impression")).toMatchObject([{ position: 1 }, { position: 4 }]);
});

it("tells of another expert whom the same card shows", async () => {
  const { rerender } = render(<Card expert_id="ada" />, inPage);
  scroll(1);
  await wait(900);
  rerender(<Card expert_id="bo" />);
  scroll(1, "bo");
  await wait(999);
  expect(received("card_impression")).toEqual([]);
  await wait(1);
  expect(received("card_impression")).toEqual([{ expert_id: "bo", context: "grid", position: 1 }]);
});

it("tells of each card where a list is put in another order", async () => {
  const list = (...ids: string[]) =>
    ids.map((id, index) => <Card key={id} expert_id={id} position={index + 1} />);
  const { rerender } = render(<>{list("ada", "bo")}</>, inPage);
  const see = async () => {
    for (const id of ["ada", "bo"]) scroll(1, id);
    await wait(1000);
  };
  await see();
  rerender(<>{list("bo", "ada")}</>);
  await see();
  rerender(<>{list("bo", "ada")}</>);
  await see();
  expect(
    received("card_impression").map(({ expert_id, position }) => `${expert_id} ${position}`),
  ).toEqual(["ada 1", "bo 2", "ada 2", "bo 1"]);
});

it("tells of a card once that leaves a virtual list and comes back", async () => {
  const { rerender } = render(<>{[<Card key="ada" />]}</>, inPage);
  scroll(1);
  await wait(1000);
  rerender(<>{[]}</>);
  rerender(<>{[<Card key="ada" />]}</>);
  scroll(1);
  await wait(1000);
  expect(received("card_impression")).toHaveLength(1);
  expect(FakeObserver.all.size).toBe(0);
});

it("tells of a card in each of the lists it is moved between", async () => {
  const { rerender } = render(<Card list="found" />, inPage);
  scroll(1);
  await wait(1000);
  rerender(<Card list="saved" />);
  scroll(1);
  await wait(1000);
  expect(received("card_impression")).toHaveLength(2);
});

it("watches a card that is drawn later, or in another element", async () => {
  function Late({ tag: Tag }: { tag: "article" | "section" | null }) {
    const ref = useImpression<HTMLElement>({ expert_id: "ada", context: "grid", position: 1 });
    return Tag && <Tag id="ada" ref={ref} />;
  }
  const { rerender } = render(<Late tag={null} />, inPage);
  expect(FakeObserver.all.size).toBe(0);
  rerender(<Late tag="article" />);
  scroll(1);
  await wait(900);
  rerender(<Late tag="section" />);
  expect([...FakeObserver.all].map(({ element }) => element!.tagName)).toEqual(["SECTION"]);
  scroll(1);
  await wait(1000);
  expect(received("card_impression")).toHaveLength(1);
});

it("takes another share of a card that grows, and does not begin its second anew", async () => {
  resize(300, 200, 1);
  render(<Card />, inPage);
  resize(300, 200, 1);
  await wait(600);
  resize(300, innerHeight * 4, 0.2);
  expect(thresholds()).toEqual([0.125]);
  await wait(400);
  expect(received("card_impression")).toHaveLength(1);
});

it("no longer counts a card that grows until less than enough of it is in view", async () => {
  resize(300, 200, 1);
  render(<Card />, inPage);
  resize(300, 200, 1);
  await wait(600);
  resize(300, innerHeight * 4, 0.1);
  await wait(5000);
  expect(received("card_impression")).toEqual([]);
});

it.each([
  ["height", 300, 0],
  ["width", 0, 200],
])("does not count a card without a %s, until it has one", async (_, width, height) => {
  resize(width, height, 1);
  render(<Card />, inPage);
  resize(width, height, 1); // the browser's ratio of what has no area
  await wait(5000);
  expect(received("card_impression")).toEqual([]);
  resize(300, 200, 1);
  await wait(1000);
  expect(received("card_impression")).toHaveLength(1);
});

it("measures again when the window has another size", async () => {
  resize(300, 700, 0);
  vi.stubGlobal("innerHeight", 800);
  render(<Card />, inPage);
  expect(thresholds()).toEqual([0.5]);
  vi.stubGlobal("innerHeight", 350);
  dispatchEvent(new Event("resize"));
  expect(thresholds()).toEqual([0.25]);
});

it("takes half of what the box can show that a card scrolls in, and watches that box", () => {
  resize(300, 400, 0);
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(200);
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(150);
  render(
    <div style={{ overflow: "auto" }}>
      <Card />
    </div>,
    inPage,
  );
  expect(thresholds()).toEqual([0.125]);
  expect([...FakeSizes.all].map(({ elements }) => elements.size)).toEqual([2]);
});

it("asks the browser nothing new where nothing has another size", () => {
  resize(300, 200, 0);
  render(<Card />, inPage);
  const [observer] = FakeObserver.all;
  resize(300, 200, 0);
  dispatchEvent(new Event("resize"));
  expect([...FakeObserver.all]).toEqual([observer]);
});

it("leaves no listener behind", () => {
  const added = vi.spyOn(window, "addEventListener");
  const removed = vi.spyOn(window, "removeEventListener");
  const { unmount } = render(<Card />, inPage);
  unmount();
  const resizes = (spy: typeof added | typeof removed) =>
    spy.mock.calls.filter(([type]) => type === "resize").length;
  expect(resizes(added)).toBeGreaterThan(0);
  expect(resizes(removed)).toBe(resizes(added));
  expect([FakeObserver.all.size, FakeSizes.all.size]).toEqual([0, 0]);
});

it("knows what another page of the tab has seen while this one was kept", async () => {
  render(<Card />, inPage);
  scroll(1);
  await wait(500);
  sessionStorage.setItem("tcs_seen", JSON.stringify([JSON.stringify(["grid", "ada", 1])]));
  await wait(5000);
  expect(received("card_impression")).toEqual([]);
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

it.each(["{oops", "5", "null", '{"a": 1}'])("does not stumble over a stored %s", async (stored) => {
  sessionStorage.setItem("tcs_seen", stored);
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
