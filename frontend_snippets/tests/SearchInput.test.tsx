// @vitest-environment happy-dom
import { act, fireEvent, render, screen } from "@testing-library/react";
import { StrictMode } from "react";
import { expect, it, vi } from "vitest";
import { SearchInput } from "../SearchInput";
import type { FilterStore } from "../searchStore";
import { makeHost, makeQuickHost, received, usePage, wait } from "./support";

usePage();

function show(store: FilterStore) {
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

it("does not tell within a second of a letter, though a slow search ends then", async () => {
  const { store, asked } = makeHost();
  const { type } = show(store);
  type("a");
  await wait(1500);
  type("ab");
  await wait();
  await asked[1]!.find(7);
  await wait(900);
  type("abc");
  await wait();
  await asked[2]!.find(3);
  await wait(999);
  expect(received("filter_change")).toEqual([]);
  await wait(1);
  expect(received("filter_change")).toMatchObject([{ value: "abc", result_count: 3 }]);
});

it("keeps what was typed where the store makes another query of it", () => {
  const store = makeQuickHost(1);
  const { setQuery } = store.getState();
  store.setState({ setQuery: (text) => setQuery(text.toLowerCase()) });
  const { type, field } = show(store);
  type("Flask ");
  expect(field.value).toBe("Flask ");
  expect(store.getState().filters).toEqual({ query: "flask" });
});

it("tells of one field alone where two share a store", async () => {
  const store = makeQuickHost(2);
  const { type } = show(store);
  render(<SearchInput store={store} label="Search again" />);
  type("flask");
  expect(screen.getByRole<HTMLInputElement>("searchbox", { name: "Search again" }).value).toBe(
    "flask",
  );
  await wait(5000);
  expect(received("filter_change")).toHaveLength(1);
});

// What browsers send when a text is composed. `input` is what React's onChange listens to.
it.each([
  ["Chromium and WebKit", ["input", "compositionend"]],
  ["Firefox", ["compositionend", "input"]],
  ["a browser that sends no last input", ["compositionend"]],
])("tells of text once it is composed, in the order of %s", async (_, order) => {
  const { field, type } = show(makeQuickHost(3));
  fireEvent.compositionStart(field);
  for (const composed of ["s", "せ", "せっけい"]) {
    type(composed);
    await wait(3000);
  }
  expect(received("filter_change")).toEqual([]);
  for (const event of order) {
    if (event === "input") type("設計");
    else {
      setText(field, "設計");
      fireEvent.compositionEnd(field);
    }
  }
  fireEvent.keyDown(field, { key: "Enter", keyCode: 229 }); // Safari sends it after the end
  fireEvent.keyUp(field, { key: "Enter", keyCode: 229 });
  await wait(999);
  expect(received("filter_change")).toEqual([]);
  await wait(1);
  await wait(5000);
  expect(received("filter_change")).toEqual([
    { filter: "query", value: "設計", filters: { query: "設計" }, result_count: 3 },
  ]);
});

/** What an input method puts into the field, without an `input` event. */
function setText(field: HTMLInputElement, text: string): void {
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")!.set!.call(field, text);
}

it("searches for text while it is composed, as it does for any letter", () => {
  const store = makeQuickHost(3);
  const { field, type } = show(store);
  fireEvent.compositionStart(field);
  type("디자이");
  expect(store.getState().filters).toEqual({ query: "디자이" });
  expect(field.value).toBe("디자이");
});

it("waits for the end of a composition that begins before the second is over", async () => {
  const { field, type } = show(makeQuickHost(3));
  type("flask ");
  await wait(500);
  fireEvent.compositionStart(field);
  type("flask せ");
  await wait(5000);
  expect(received("filter_change")).toEqual([]);
  type("flask 設計");
  fireEvent.compositionEnd(field);
  await wait(1000);
  expect(received("filter_change")).toMatchObject([{ value: "flask 設計" }]);
});

it("waits for the end of a composition that begins while the search runs", async () => {
  const { store, asked } = makeHost();
  const { field, type } = show(store);
  type("flask");
  await wait(1000);
  fireEvent.compositionStart(field);
  type("flaskせ");
  await wait();
  await asked.at(-1)!.find(0);
  await wait(5000);
  expect(received("filter_change")).toEqual([]);
});

it("tells of the text before a composition that was cancelled", async () => {
  const { field, type } = show(makeQuickHost(3));
  type("flask");
  fireEvent.compositionStart(field);
  type("flaskせ");
  type("flask");
  fireEvent.compositionEnd(field);
  await wait(1000);
  expect(received("filter_change")).toMatchObject([{ value: "flask" }]);
});

it("knows a composition that began before it listened by its input", async () => {
  const { field } = show(makeQuickHost(3));
  setText(field, "せ");
  fireEvent(field, new InputEvent("input", { bubbles: true, isComposing: true }));
  await wait(5000);
  expect(received("filter_change")).toEqual([]);
  setText(field, "設計");
  fireEvent(field, new InputEvent("input", { bubbles: true, isComposing: true }));
  fireEvent.compositionEnd(field);
  await wait(1000);
  expect(received("filter_change")).toMatchObject([{ value: "設計" }]);
});

it("sends nothing for a composition that changed nothing", async () => {
  const { field } = show(makeQuickHost(3, { query: "flask" }));
  fireEvent.compositionStart(field);
  fireEvent.compositionEnd(field);
  await wait(5000);
  expect(received("filter_change")).toEqual([]);
});

it.each(["unmount", "pagehide"])("never sends what is still composed, on %s", async (leaving) => {
  const { field, type, unmount } = show(makeQuickHost(3));
  fireEvent.compositionStart(field);
  type("せ");
  await wait(500);
  if (leaving === "unmount") unmount();
  else dispatchEvent(new Event("pagehide"));
  await wait(5000);
  expect(received("filter_change")).toEqual([]);
});

it("takes what is in the field for committed when it loses the focus", async () => {
  const { field, type } = show(makeQuickHost(3));
  fireEvent.compositionStart(field);
  type("設計");
  fireEvent.blur(field);
  await wait(1000);
  expect(received("filter_change")).toMatchObject([{ value: "設計" }]);
});
