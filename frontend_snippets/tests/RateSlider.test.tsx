// @vitest-environment happy-dom
import { act, fireEvent, render, screen } from "@testing-library/react";
import { StrictMode } from "react";
import { expect, it, vi } from "vitest";
import { RateSlider } from "../RateSlider";
import type { SearchStore } from "../searchStore";
import { makeHost, makeQuickHost, received, usePage, wait } from "./support";

usePage();

function show(store: SearchStore) {
  const view = render(
    <StrictMode>
      <RateSlider store={store} min={60} max={200} step={1} />
    </StrictMode>,
  );
  const slider = screen.getByRole<HTMLInputElement>("slider", { name: "Hourly rate" });
  const tick = (rate: number) => fireEvent.change(slider, { target: { value: String(rate) } });
  return { ...view, slider, tick };
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
  const releases = ["mouseup", "touchend", "touchcancel", "keyup"];
  for (const spy of [added, removed])
    // Twice each: StrictMode mounts everything twice.
    expect(spy.mock.calls.filter(([type]) => releases.includes(type))).toHaveLength(8);
  expect(received("filter_change")).toMatchObject([{ value: 100 }]);
});
