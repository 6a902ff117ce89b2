// @vitest-environment happy-dom
import { act, fireEvent, render, screen } from "@testing-library/react";
import { StrictMode } from "react";
import { expect, it } from "vitest";
import type { FilterStore } from "../searchStore";
import { TagFilter } from "../TagFilter";
import { makeHost, makeQuickHost, received, usePage, wait } from "./support";

usePage();

function show(store: FilterStore) {
  return render(
    <StrictMode>
      <TagFilter store={store} tags={["ai", "data"]} />
    </StrictMode>,
  );
}

const box = (name: string) => screen.getByRole<HTMLInputElement>("checkbox", { name });

it("sends one event for each toggle, with all filters after it", async () => {
  show(makeQuickHost(4, { rate_max: 100 }));
  fireEvent.click(box("ai"));
  await wait();
  fireEvent.click(box("data"));
  await wait();
  fireEvent.click(box("ai"));
  await wait();
  expect(received("filter_change")).toEqual([
    { filter: "tags", value: "ai", filters: { rate_max: 100, tags: ["ai"] }, result_count: 4 },
    {
      filter: "tags",
      value: "data",
      filters: { rate_max: 100, tags: ["ai", "data"] },
      result_count: 4,
    },
    { filter: "tags", value: "ai", filters: { rate_max: 100, tags: ["data"] }, result_count: 4 },
  ]);
});

it("shows which tags are on, without waiting for the search", () => {
  const { store } = makeHost({ tags: ["data"] });
  show(store);
  expect([box("ai").checked, box("data").checked]).toEqual([false, true]);
  fireEvent.click(box("ai"));
  expect(box("ai").checked).toBe(true);
});

it("reads the count once the search has settled, not the one before", async () => {
  const { store, asked } = makeHost();
  show(store);
  act(() => store.setState({ result_count: 60 }));
  fireEvent.click(box("ai"));
  await wait(3000);
  expect(received("filter_change")).toEqual([]);
  await asked[0]!.find(3);
  expect(received("filter_change")).toMatchObject([{ result_count: 3 }]);
});

it("tells of the results that were shown where two toggles follow each other quickly", async () => {
  const { store, asked } = makeHost();
  show(store);
  fireEvent.click(box("ai"));
  await wait();
  fireEvent.click(box("data"));
  await wait();
  await asked[1]!.find(1);
  await asked[0]!.find(9);
  expect(received("filter_change")).toMatchObject([
    { value: "ai", filters: { tags: ["ai", "data"] }, result_count: 1 },
    { value: "data", filters: { tags: ["ai", "data"] }, result_count: 1 },
  ]);
});

it("sends no event when the search fails", async () => {
  const { store, asked } = makeHost();
  show(store);
  fireEvent.click(box("ai"));
  await wait();
  await asked[0]!.fail();
  expect(received("filter_change")).toEqual([]);
});

it("sends the event although it is unmounted before the search has settled", async () => {
  const { store, asked } = makeHost();
  const { unmount } = show(store);
  fireEvent.click(box("ai"));
  await wait();
  unmount();
  await asked[0]!.find(3);
  expect(received("filter_change")).toHaveLength(1);
});
