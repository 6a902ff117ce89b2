// @vitest-environment happy-dom
import { act, fireEvent, render, screen } from "@testing-library/react";
import { StrictMode } from "react";
import { expect, it, vi } from "vitest";
import type { Expert } from "../ExpertCard";
import { whenSettled } from "../searchStore";
import { createMarketplace, filtersOf, MarketplacePage } from "./marketplace_of_slices";
import { happened, received, usePage, wait } from "./support";

usePage();

const ada: Expert = {
  username: "ada",
  profile_url: "https://experts.example/ada",
  name: "Ada",
  title: "Engineer",
  bio: "",
  tags: [],
  hourly_rate: 100,
};

/** The page, whose host takes 700 ms and finds one expert more each time. */
function show() {
  const found: Expert[] = [];
  const search = () =>
    new Promise<Expert[]>((resolve) =>
      setTimeout(() => {
        found.push({ ...ada, username: `ada-${found.length}`, name: `Ada ${found.length}` });
        resolve([...found]);
      }, 700),
    );
  const store = createMarketplace();
  render(
    <StrictMode>
      <MarketplacePage
        store={store}
        search={search}
        openProfile={(url) => happened.push(`open ${url}`)}
      />
    </StrictMode>,
  );
  return store;
}

it("reads the count of a search that begins after the filter's change", async () => {
  show();
  fireEvent.click(screen.getByRole("checkbox", { name: "ai" }));
  await wait(999);
  expect(received("filter_change")).toEqual([]);
  await wait(1);
  expect(received("filter_change")).toEqual([
    { filter: "tags", value: "ai", filters: { tags: ["ai"] }, result_count: 1 },
  ]);
});

it("does not take the end of an earlier search for that of a later one", async () => {
  show();
  fireEvent.click(screen.getByRole("checkbox", { name: "ai" }));
  await wait(900); // its search runs
  fireEvent.click(screen.getByRole("checkbox", { name: "data" }));
  await wait(5000);
  const both = { filters: { tags: ["ai", "data"] }, result_count: 2 };
  expect(received("filter_change")).toMatchObject([
    { value: "ai", ...both },
    { value: "data", ...both },
  ]);
});

it("works with the slider and the search field", async () => {
  show();
  const highest = screen.getByRole("slider", { name: "Highest hourly rate" });
  for (const rate of ["280", "200"]) fireEvent.change(highest, { target: { value: rate } });
  fireEvent.pointerUp(highest);
  await wait(5000);
  fireEvent.change(screen.getByRole("searchbox"), { target: { value: "flask" } });
  await wait(5000);
  expect(received("filter_change")).toEqual([
    { filter: "rate_max", value: 200, filters: { rate_max: 200 }, result_count: 1 },
    {
      filter: "query",
      value: "flask",
      filters: { query: "flask", rate_max: 200 },
      result_count: 2,
    },
  ]);
});

it("passes the profile's URL through the grid to the page", async () => {
  show();
  fireEvent.click(screen.getByRole("checkbox", { name: "ai" }));
  await wait(2000);
  fireEvent.click(screen.getByRole("link", { name: "Ada 0" }));
  expect(happened).toEqual(["filter_change", "card_click", "open https://experts.example/ada"]);
  expect(received("card_click")).toEqual([{ expert_id: "ada-0", context: "grid" }]);
});

it("is settled after half a second where no search begins, and leaves no timer", async () => {
  const store = createMarketplace();
  store.setState({ total: 3 });
  const filters = filtersOf(store);
  filters.getState().setTags(["ai"]);
  expect(filters.getState()).toMatchObject({ filters: { tags: ["ai"] }, isSearching: true });
  const settled = vi.fn();
  void whenSettled(filters).then(settled);
  await wait(499);
  expect(settled).not.toHaveBeenCalled();
  await wait(1);
  expect(settled).toHaveBeenCalledWith(expect.objectContaining({ result_count: 3 }));
  expect(vi.getTimerCount()).toBe(0);
});

it("gives React the same state until something has changed", () => {
  const store = createMarketplace();
  const filters = filtersOf(store);
  const before = filters.getState();
  expect(filters.getState()).toBe(before);
  const listener = vi.fn();
  const unsubscribe = filters.subscribe(listener);
  act(() => store.setState({ total: 4 }));
  expect(listener).toHaveBeenCalledExactlyOnceWith(filters.getState());
  expect(filters.getState()).toMatchObject({ result_count: 4 });
  unsubscribe();
  store.setState({ total: 5 });
  expect(listener).toHaveBeenCalledOnce();
});
