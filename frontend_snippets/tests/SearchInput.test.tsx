// @vitest-environment happy-dom
import { act, fireEvent, render, screen } from "@testing-library/react";
import { StrictMode } from "react";
import { expect, it, vi } from "vitest";
import { SearchInput } from "../SearchInput";
import type { SearchStore } from "../searchStore";
import { makeHost, makeQuickHost, received, usePage, wait } from "./support";

usePage();

function show(store: SearchStore) {
  const view = render(
    <StrictMode>
      <SearchInput store={store} label="Search experts" />
    </StrictMode>,
  );
  const field = screen.getByRole<HTMLInputElement>("searchbox", { name: "Search experts" });
  return { ...view, field, type: (value: string) => fireEvent.change(field, { target: { value } }) };
}

it("sends one event for ten letters typed within a second", async () => {
  const { type } = show(makeQuickHost(12, { rate_max: 100 }));
  for (let length = 1; length <= 10; length++) {
    type("accessible".slice(0, length));
    await wait(100);
  }
  await wait(899);
  expect(received("filter_change")).toEqual([]);
  await wait(1);
  expect(received("filter_change")).toEqual([
    {
      filter: "query",
      value: "accessible",
      filters: { query: "accessible", rate_max: 100 },
      result_count: 12,
    },
  ]);
  await wait(10_000);
  expect(received("filter_change")).toHaveLength(1);
});

it("sends an event for each pause of a second", async () => {
  const { type } = show(makeQuickHost(1));
  type("a");
  await wait(1000);
  type("ab");
  await wait(1000);
  expect(received("filter_change")).toMatchObject([{ value: "a" }, { value: "ab" }]);
});

it("changes the store at every letter, and keeps the space between two words", () => {
  const store = makeQuickHost(1);
  const { type, field } = show(store);
  type("new");
  type("new ");
  expect(field.value).toBe("new ");
  expect(store.getState().filters).toEqual({ query: "new" });
  type("new york");
  expect(store.getState().filters).toEqual({ query: "new york" });
});

it("reads the count once the search has settled", async () => {
  const { store, asked } = makeHost();
  const { type } = show(store);
  type("slow");
  await wait(3000);
  expect(received("filter_change")).toEqual([]);
  await asked[0]!.find(3);
  expect(received("filter_change")).toMatchObject([{ value: "slow", result_count: 3 }]);
});

it("tells once, of the words whose results were shown, where pauses outrun the search", async () => {
  const { store, asked } = makeHost();
  const { type } = show(store);
  type("a");
  await wait(1500);
  type("ab");
  await wait(1500);
  await asked[1]!.find(7);
  await wait(5000);
  expect(received("filter_change")).toEqual([
    { filter: "query", value: "ab", filters: { query: "ab" }, result_count: 7 },
  ]);
});

it("sends no event for words that were typed and taken back", async () => {
  const { type } = show(makeQuickHost(1));
  type("a");
  type("");
  await wait(5000);
  expect(received("filter_change")).toEqual([]);
});

it("says that the words were taken away", async () => {
  const { type } = show(makeQuickHost(60, { query: "flask", tags: ["ai"] }));
  type("");
  await wait(1000);
  expect(received("filter_change")).toEqual([
    { filter: "query", value: null, filters: { tags: ["ai"] }, result_count: 60 },
  ]);
});

it("sends no event when the search fails", async () => {
  const { store, asked } = makeHost();
  const { type } = show(store);
  type("flask");
  await wait(1000);
  await asked[0]!.fail();
  expect(received("filter_change")).toEqual([]);
});

it("sends what is due when it is unmounted, and leaves no timer behind", async () => {
  const { type, unmount } = show(makeQuickHost(2));
  type("flask");
  await wait(300);
  unmount();
  await wait();
  expect(vi.getTimerCount()).toBe(0);
  expect(received("filter_change")).toMatchObject([{ value: "flask", result_count: 2 }]);
  await wait(5000);
  expect(received("filter_change")).toHaveLength(1);
});

it("sends nothing on unmount where nothing is due", async () => {
  const { type, unmount } = show(makeQuickHost(2));
  type("flask");
  await wait(1000);
  unmount();
  await wait(5000);
  expect(received("filter_change")).toHaveLength(1);
});

it("sends what is due when the page is left", async () => {
  const { type } = show(makeQuickHost(2));
  type("flask");
  await wait(300);
  dispatchEvent(new Event("pagehide"));
  await wait();
  expect(received("filter_change")).toHaveLength(1);
});

it("shows the words that the store has from elsewhere, and tells of none of them", async () => {
  const store = makeQuickHost(2);
  const { field } = show(store);
  act(() => store.getState().setQuery("from a link"));
  await wait(5000);
  expect(field.value).toBe("from a link");
  expect(received("filter_change")).toEqual([]);
});
