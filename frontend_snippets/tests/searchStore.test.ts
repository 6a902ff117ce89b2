// @vitest-environment happy-dom
import { expect, it, vi } from "vitest";
import { createStore } from "zustand/vanilla";
import { createSearchStore, whenSettled, type SearchState } from "../searchStore";
import { happened, makeHost, makeQuickHost, usePage, wait } from "./support";

usePage();

it("says in the same call that a search is running, and then what it found", async () => {
  const { store, asked } = makeHost();
  store.getState().setQuery("flask");
  expect(store.getState()).toMatchObject({ filters: { query: "flask" }, isSearching: true });
  await wait();
  await asked[0]!.find(4);
  expect(store.getState()).toMatchObject({
    results: ["4 experts"],
    result_count: 4,
    isSearching: false,
  });
});

it("leaves out a filter that is off", () => {
  const { store } = makeHost();
  const { setQuery, setRateRange, setTags, toggleTag, clearFilters } = store.getState();
  setQuery("  flask ");
  setRateRange(80, 120);
  toggleTag("ai");
  toggleTag("data");
  expect(store.getState().filters).toEqual({
    query: "flask",
    rate_min: 80,
    rate_max: 120,
    tags: ["ai", "data"],
  });
  toggleTag("ai");
  setQuery(" ");
  setRateRange(60, 120);
  expect(store.getState().filters).toEqual({ rate_max: 120, tags: ["data"] });
  setRateRange(80, 200);
  expect(store.getState().filters).toEqual({ rate_min: 80, tags: ["data"] });
  setRateRange(60, 200);
  expect(store.getState().filters).toEqual({ tags: ["data"] });
  toggleTag("data");
  expect(store.getState().filters).toEqual({});
  setTags(["data", "ai", "data"]);
  expect(store.getState().filters).toEqual({ tags: ["data", "ai"] });
  setTags([]);
  expect(store.getState().filters).toEqual({});
  setQuery("x");
  clearFilters();
  expect(store.getState().filters).toEqual({});
});

it("takes 0 and no upper end for the ends of the rates where it is not told", () => {
  const store = createSearchStore({ search: async () => ({ results: [], result_count: 0 }) });
  store.getState().setRateRange(0, 200);
  expect(store.getState().filters).toEqual({ rate_max: 200 });
  store.getState().setRateRange(0, Infinity);
  expect(store.getState().filters).toEqual({});
});

it("does not let the late answer of an earlier search replace a later one", async () => {
  const { store, asked } = makeHost();
  store.getState().setQuery("a");
  await wait();
  store.getState().setQuery("ab");
  await wait();
  expect(asked.map(({ signal }) => signal.aborted)).toEqual([true, false]);
  await asked[1]!.find(2);
  await asked[0]!.find(99);
  expect(store.getState()).toMatchObject({ result_count: 2, isSearching: false });
});

it("is not settled by the answer of a search that a later one replaced", async () => {
  const { store, asked } = makeHost();
  store.getState().setQuery("a");
  await wait();
  store.getState().setQuery("ab");
  await asked[0]!.find(99);
  expect(store.getState().isSearching).toBe(true);
});

it("asks the host once for changes that follow each other quickly", async () => {
  const search = vi.fn(async () => ({ results: [], result_count: 0 }));
  const store = createSearchStore({ search, waitMs: 150 });
  for (const query of ["f", "fl", "fla"]) store.getState().setQuery(query);
  await wait(150);
  expect(search).toHaveBeenCalledExactlyOnceWith({ query: "fla" }, expect.any(AbortSignal));
});

it("settles without a count when the search fails, and recovers", async () => {
  const { store, asked } = makeHost();
  store.getState().setQuery("flask");
  await wait();
  await asked[0]!.fail();
  expect(store.getState()).toMatchObject({ results: [], result_count: null, isSearching: false });
  store.getState().refresh();
  await wait();
  await asked[1]!.find(3);
  expect(asked[1]!.filters).toEqual({ query: "flask" });
  expect(store.getState().result_count).toBe(3);
});

it("calls a listener until it unsubscribes", () => {
  const { store } = makeHost();
  const listener = vi.fn();
  const unsubscribe = store.subscribe(listener);
  store.setState({ result_count: 1 });
  unsubscribe();
  store.setState({ result_count: 2 });
  expect(listener).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ result_count: 1 }));
});

it("is settled at once where no search is running", async () => {
  const store = makeQuickHost(7);
  expect(await whenSettled(store)).toBe(store.getState());
});

it("is settled by the last of several searches", async () => {
  const { store, asked } = makeHost();
  store.getState().setQuery("a");
  const settled = whenSettled(store);
  await wait();
  store.getState().setQuery("ab");
  await wait();
  await asked[0]!.find(1);
  await asked[1]!.find(2);
  expect(await settled).toMatchObject({ filters: { query: "ab" }, result_count: 2 });
});

it("sends no event: its actions know nothing of tracking", async () => {
  const store = makeQuickHost(7);
  store.getState().setQuery("a");
  store.getState().setRateRange(60, 100);
  store.getState().setTags(["data"]);
  store.getState().toggleTag("ai");
  await wait(5000);
  expect(happened).toEqual([]);
});

it("may as well be a zustand store", async () => {
  const store = createStore<SearchState>()((set) => ({
    ...makeQuickHost(0).getState(),
    setQuery: (query) => set({ filters: { query }, isSearching: true }),
  }));
  store.getState().setQuery("flask");
  const settled = whenSettled(store);
  store.setState({ isSearching: false, result_count: 5 });
  expect(await settled).toMatchObject({ filters: { query: "flask" }, result_count: 5 });
});
