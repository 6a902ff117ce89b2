// @vitest-environment happy-dom
import { act, fireEvent, render, screen } from "@testing-library/react";
import { StrictMode } from "react";
import { expect, it, vi } from "vitest";
import { RateSlider } from "../RateSlider";
import type { FilterStore } from "../searchStore";
import { makeHost, makeQuickHost, received, usePage, wait } from "./support";

usePage();

function show(store: FilterStore) {
  const view = render(
    <StrictMode>
      <RateSlider store={store} min={60} max={200} step={1} />
    </StrictMode>,
  );
  const [lowest, slider] = ["Lowest", "Highest"].map((bound) =>
    screen.getByRole<HTMLInputElement>("slider", { name: `${bound} hourly rate` }),
  ) as [HTMLInputElement, HTMLInputElement];
  const move = (handle: HTMLInputElement, rate: number) =>
    fireEvent.change(handle, { target: { value: String(rate) } });
  return { ...view, lowest, slider, move, tick: (rate: number) => move(slider, rate) };
}

it("sends one event, at release, for a drag through forty values", async () => {
  const store = makeQuickHost(9, { tags: ["ai"] });
  const { slider, tick } = show(store);
  fireEvent.mouseDown(slider);
  for (let rate = 199; rate >= 160; rate--) {
    tick(rate);
    await wait(10);
    expect(store.getState().filters.rate_max).toBe(rate);
  }
  expect(received("filter_change")).toEqual([]);
  fireEvent.mouseUp(slider);
  await wait();
  expect(received("filter_change")).toEqual([
    { filter: "rate_max", value: 160, filters: { tags: ["ai"], rate_max: 160 }, result_count: 9 },
  ]);
});

it("counts a mouse button that is let go of beside the slider", async () => {
  const { slider, tick } = show(makeQuickHost(9));
  fireEvent.mouseDown(slider);
  tick(120);
  fireEvent.mouseUp(document.body);
  await wait();
  expect(received("filter_change")).toMatchObject([{ value: 120 }]);
});

it("counts a release that the page stops", async () => {
  const { tick } = show(makeQuickHost(9));
  tick(120);
  document.body.addEventListener("mouseup", (event) => event.stopPropagation(), { once: true });
  fireEvent.mouseUp(document.body);
  await wait();
  expect(received("filter_change")).toHaveLength(1);
});

it("sends one event for a touch, though it ends three times over", async () => {
  const { slider, tick } = show(makeQuickHost(9));
  fireEvent.touchStart(slider);
  tick(150);
  tick(140);
  fireEvent.pointerUp(slider);
  fireEvent.touchEnd(slider);
  await wait(300);
  expect(received("filter_change")).toHaveLength(1);
  fireEvent.mouseDown(slider);
  fireEvent.mouseUp(slider);
  await wait();
  expect(received("filter_change")).toMatchObject([{ value: 140 }]);
});

it("sends one event when a held arrow key is let go of", async () => {
  const { slider, tick } = show(makeQuickHost(9));
  for (let rate = 199; rate > 190; rate--) {
    fireEvent.keyDown(slider, { key: "ArrowLeft" });
    tick(rate);
    await wait(30);
  }
  expect(received("filter_change")).toEqual([]);
  fireEvent.keyUp(slider, { key: "ArrowLeft" });
  await wait();
  expect(received("filter_change")).toMatchObject([{ value: 191 }]);
});

it("tells once, of the rate whose results were shown, where releases outrun the search", async () => {
  const { store, asked } = makeHost();
  const { slider, tick } = show(store);
  for (const rate of [190, 180, 170]) {
    tick(rate);
    fireEvent.keyUp(slider, { key: "ArrowLeft" });
    await wait(50);
  }
  await asked[2]!.find(7);
  expect(received("filter_change")).toEqual([
    { filter: "rate_max", value: 170, filters: { rate_max: 170 }, result_count: 7 },
  ]);
});

it("sends nothing when it is let go of where it stood", async () => {
  const { slider, tick } = show(makeQuickHost(9, { rate_max: 120 }));
  fireEvent.mouseDown(slider);
  tick(80);
  tick(120);
  fireEvent.mouseUp(slider);
  fireEvent.keyUp(slider, { key: "Tab" });
  await wait(1000);
  expect(received("filter_change")).toEqual([]);
});

it("sends nothing for a rate that was changed elsewhere", async () => {
  const store = makeQuickHost(9, { rate_max: 120 });
  show(store);
  act(() => store.getState().clearFilters());
  fireEvent.mouseUp(document.body);
  await wait(1000);
  expect(received("filter_change")).toEqual([]);
});

it("says the same rate again where it was reset in between", async () => {
  const store = makeQuickHost(9);
  const { slider, tick } = show(store);
  tick(100);
  fireEvent.mouseUp(slider);
  await wait();
  act(() => store.getState().clearFilters());
  await wait();
  tick(100);
  fireEvent.mouseUp(slider);
  await wait();
  expect(received("filter_change")).toMatchObject([{ value: 100 }, { value: 100 }]);
});

it("means any rate at its right end", async () => {
  const { slider, tick } = show(makeQuickHost(60, { rate_max: 120 }));
  expect(slider.getAttribute("aria-valuetext")).toBe("up to €120");
  tick(200);
  fireEvent.mouseUp(slider);
  await wait();
  expect(received("filter_change")).toEqual([
    { filter: "rate_max", value: null, filters: {}, result_count: 60 },
  ]);
  expect(slider.getAttribute("aria-valuetext")).toBe("any");
});

it("reads the count once the search has settled", async () => {
  const { store, asked } = makeHost();
  const { slider, tick } = show(store);
  tick(100);
  fireEvent.mouseUp(slider);
  await wait(3000);
  expect(received("filter_change")).toEqual([]);
  await asked[0]!.find(5);
  expect(received("filter_change")).toMatchObject([{ value: 100, result_count: 5 }]);
});

it("sends no event when the search fails", async () => {
  const { store, asked } = makeHost();
  const { slider, tick } = show(store);
  tick(100);
  fireEvent.mouseUp(slider);
  await wait();
  await asked[0]!.fail();
  expect(received("filter_change")).toEqual([]);
});

it("sends what it was set to when it is unmounted in mid-drag, and listens no longer", async () => {
  const added = vi.spyOn(window, "addEventListener");
  const removed = vi.spyOn(window, "removeEventListener");
  const { tick, unmount } = show(makeQuickHost(9));
  tick(100);
  unmount();
  await wait();
  const types = (spy: typeof added | typeof removed) =>
    spy.mock.calls.map(([type]) => type).filter((type) => /up$|touch|focusout/.test(type)).sort();
  expect(types(added)).toContain("touchend");
  expect(types(removed)).toEqual(types(added));
  expect(received("filter_change")).toMatchObject([{ value: 100 }]);
});

it.each(["pointerup", "pointercancel", "mouseup", "touchend", "touchcancel", "keyup", "focusout"])(
  "takes %s for a release",
  async (type) => {
    const { slider, tick } = show(makeQuickHost(9));
    tick(150);
    await wait(5000);
    expect(received("filter_change")).toEqual([]);
    fireEvent(slider, new Event(type, { bubbles: true }));
    await wait();
    expect(received("filter_change")).toMatchObject([{ value: 150 }]);
  },
);

it("tells what it was set to when the page is left in mid-drag", async () => {
  const { slider, tick } = show(makeQuickHost(9));
  fireEvent.pointerDown(slider);
  tick(150);
  await wait();
  fireEvent(window, new Event("pagehide"));
  await wait();
  expect(received("filter_change")).toMatchObject([{ value: 150 }]);
});

it("is not released by a key that is let go of during a drag", async () => {
  const { slider, tick } = show(makeQuickHost(9));
  fireEvent.pointerDown(slider);
  tick(150);
  fireEvent.keyUp(document.body, { key: "Shift" });
  fireEvent.focusOut(document.body);
  await wait(1000);
  expect(received("filter_change")).toEqual([]);
  tick(140);
  fireEvent.pointerUp(slider);
  await wait();
  expect(received("filter_change")).toMatchObject([{ value: 140 }]);
});

it("sends nothing in mid-drag where the results of the drag before it come then", async () => {
  const { store, asked } = makeHost();
  const { slider, tick } = show(store);
  fireEvent.pointerDown(slider);
  tick(150);
  fireEvent.pointerUp(slider);
  await wait();
  fireEvent.pointerDown(slider);
  tick(140);
  await wait();
  await asked[1]!.find(4);
  expect(received("filter_change")).toEqual([]);
  tick(130);
  fireEvent.pointerUp(slider);
  await wait();
  await asked[2]!.find(3);
  expect(received("filter_change")).toEqual([
    { filter: "rate_max", value: 130, filters: { rate_max: 130 }, result_count: 3 },
  ]);
});

it("has a handle for the lowest rate, off at its left end", async () => {
  const { lowest, slider, move, tick } = show(makeQuickHost(9));
  move(lowest, 80);
  fireEvent.pointerUp(lowest);
  await wait();
  tick(120);
  fireEvent.pointerUp(slider);
  await wait();
  expect(screen.getByRole("status").textContent).toBe("€80 to €120");
  move(lowest, 60);
  fireEvent.pointerUp(lowest);
  await wait();
  expect(received("filter_change")).toEqual([
    { filter: "rate_min", value: 80, filters: { rate_min: 80 }, result_count: 9 },
    {
      filter: "rate_max",
      value: 120,
      filters: { rate_min: 80, rate_max: 120 },
      result_count: 9,
    },
    { filter: "rate_min", value: null, filters: { rate_max: 120 }, result_count: 9 },
  ]);
});

it("keeps its handles a step apart, and in their order", async () => {
  const store = makeQuickHost(9, { rate_min: 100, rate_max: 120 });
  const { lowest, slider, move, tick } = show(store);
  move(lowest, 150);
  expect(store.getState().filters).toEqual({ rate_min: 119, rate_max: 120 });
  expect(lowest.value).toBe("119");
  tick(61);
  expect(store.getState().filters).toEqual({ rate_min: 119, rate_max: 120 });
  expect(slider.value).toBe("120");
});

it("passes both bounds to the store, as numbers, and its ends for those that are off", () => {
  const store = makeQuickHost(9);
  const calls: Array<[number, number]> = [];
  store.setState({ setRateRange: (...range) => void calls.push(range) });
  const { lowest, move, tick } = show(store);
  move(lowest, 80);
  tick(150);
  expect(calls).toEqual([
    [80, 200],
    [60, 150],
  ]);
});

it("tells of one slider alone where two share a page", async () => {
  const view = show(makeQuickHost(9));
  const other = makeQuickHost(5);
  render(<RateSlider store={other} min={60} max={200} />);
  view.tick(150);
  fireEvent.pointerUp(view.slider);
  await wait();
  expect(received("filter_change")).toMatchObject([{ value: 150, result_count: 9 }]);
});
