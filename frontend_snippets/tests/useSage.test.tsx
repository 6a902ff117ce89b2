// @vitest-environment happy-dom
import { act, renderHook } from "@testing-library/react";
import { StrictMode } from "react";
import { expect, it } from "vitest";
import type { Filters } from "../tracking";
import { useSage, type SageAnswer } from "../useSage";
import { happened, received, usePage } from "./support";

usePage();

const answer = (...usernames: string[]): SageAnswer => ({
  search_performed: true,
  total: usernames.length,
  experts: usernames.map((username) => ({ username })),
});

/** Sage, and the questions the host was asked, to be answered by the test. */
function showSage(active: Filters = {}) {
  let filters = active;
  const asked: Array<{
    query_text: string;
    filters: Filters;
    resolve(answer: SageAnswer): void;
    reject(error: Error): void;
  }> = [];
  const { result, unmount } = renderHook(
    () =>
      useSage({
        request: (query_text, filters) =>
          new Promise<SageAnswer>((resolve, reject) =>
            asked.push({ query_text, filters, resolve, reject }),
          ),
        addMessage: (_, query_text) => happened.push(`message ${query_text}`),
        getFilters: () => filters,
      }),
    { wrapper: StrictMode },
  );
  return {
    asked,
    unmount,
    get sage() {
      return result.current;
    },
    ask: (text: string) => act(() => void result.current.ask(text)),
    setFilters: (changed: Filters) => (filters = changed),
  };
}

it("records the answer before it shows it, once", async () => {
  const { ask, asked } = showSage({ rate_max: 120, tags: ["flask"] });
  await ask(" flask person ");
  expect(happened).toEqual([]);
  await act(async () => asked[0]!.resolve(answer("bo", "ada")));
  expect(happened).toEqual(["sage_query", "message flask person"]);
  expect(received("sage_query")).toEqual([
    {
      query_text: "flask person",
      function_called: "search_experts",
      result_count: 2,
      expert_ids: ["bo", "ada"],
      filters: { rate_max: 120, tags: ["flask"] },
    },
  ]);
});

it("calls it apply_filters where no search was performed", async () => {
  const { ask, asked } = showSage();
  await ask("under 100 euros");
  await act(async () => asked[0]!.resolve({ ...answer("ada"), search_performed: false }));
  expect(received("sage_query")).toMatchObject([{ function_called: "apply_filters" }]);
});

it("records a question that nobody was found for", async () => {
  const { ask, asked } = showSage();
  await ask("a unicorn");
  await act(async () => asked[0]!.resolve(answer()));
  expect(received("sage_query")).toMatchObject([{ result_count: 0, expert_ids: [] }]);
});

it.each([undefined, null])("does not take a total of %s for none found", async (total) => {
  const { ask, asked } = showSage();
  await ask("under 100 euros");
  await act(async () => asked[0]!.resolve({ search_performed: false, total }));
  expect(happened).toEqual(["sage_query", "message under 100 euros"]);
  expect(received("sage_query")).toEqual([
    {
      query_text: "under 100 euros",
      function_called: "apply_filters",
      result_count: null,
      expert_ids: [],
      filters: {},
    },
  ]);
});

it("takes an answer with neither total nor experts", async () => {
  const { ask, asked } = showSage();
  await ask("under 100 euros");
  await act(async () => asked[0]!.resolve({ search_performed: true }));
  expect(received("sage_query")).toMatchObject([{ result_count: null, expert_ids: [] }]);
});

it("keeps the total of an answer that comes without its experts", async () => {
  const { ask, asked } = showSage();
  await ask("flask");
  await act(async () => asked[0]!.resolve({ search_performed: true, total: 12, experts: null }));
  expect(received("sage_query")).toMatchObject([{ result_count: 12, expert_ids: [] }]);
});

it("tells of the host's count where it sends only the first of those found", async () => {
  const { ask, asked } = showSage();
  await ask("anybody");
  await act(async () => asked[0]!.resolve({ ...answer("ada", "bo"), total: 60 }));
  expect(received("sage_query")).toMatchObject([{ result_count: 60, expert_ids: ["ada", "bo"] }]);
});

it("records the filters under which was asked, though they change before the answer", async () => {
  const { ask, asked, setFilters } = showSage({ rate_max: 100 });
  await ask("flask");
  setFilters({ rate_max: 60 });
  await act(async () => asked[0]!.resolve(answer("ada")));
  expect(asked[0]!.filters).toEqual({ rate_max: 100 });
  expect(received("sage_query")).toMatchObject([{ filters: { rate_max: 100 } }]);
});

it("records nothing when the request fails, and says which question failed", async () => {
  const page = showSage();
  await page.ask("flask");
  expect(page.sage).toMatchObject({ isAsking: true, failedQuery: null });
  await act(async () => page.asked[0]!.reject(new Error("the host is away")));
  expect(happened).toEqual([]);
  expect(page.sage).toMatchObject({ isAsking: false, failedQuery: "flask" });
  await page.ask("flask");
  expect(page.sage.failedQuery).toBeNull();
  await act(async () => page.asked[1]!.resolve(answer("ada")));
  expect(happened).toEqual(["sage_query", "message flask"]);
});

it("answers overlapping questions in their order, each with its own event", async () => {
  const page = showSage();
  await page.ask("first");
  await page.ask("second");
  expect(page.asked).toHaveLength(2);
  await act(async () => page.asked[1]!.resolve(answer("bo")));
  expect(happened).toEqual([]);
  await act(async () => page.asked[0]!.resolve(answer("ada")));
  expect(happened).toEqual(["sage_query", "message first", "sage_query", "message second"]);
  expect(received("sage_query")).toMatchObject([
    { query_text: "first", expert_ids: ["ada"] },
    { query_text: "second", expert_ids: ["bo"] },
  ]);
  expect(page.sage.isAsking).toBe(false);
});

it("answers the next question although the one before it failed", async () => {
  const page = showSage();
  await page.ask("first");
  await page.ask("second");
  await act(async () => page.asked[1]!.resolve(answer("bo")));
  await act(async () => page.asked[0]!.reject(new Error("the host is away")));
  expect(happened).toEqual(["sage_query", "message second"]);
});

it("treats a request that throws as one that failed", async () => {
  const { result } = renderHook(() =>
    useSage({
      request: (): Promise<SageAnswer> => {
        throw new TypeError("offline");
      },
      addMessage: () => happened.push("message"),
      getFilters: () => ({}),
    }),
  );
  await act(() => result.current.ask("flask"));
  expect(result.current).toMatchObject({ isAsking: false, failedQuery: "flask" });
  expect(happened).toEqual([]);
});

it("asks nothing where nothing was typed", async () => {
  const { ask, asked } = showSage();
  await ask("   ");
  expect(asked).toEqual([]);
});

it("records an answer that comes after the panel was closed", async () => {
  const { ask, asked, unmount } = showSage();
  await ask("flask");
  unmount();
  await act(async () => asked[0]!.resolve(answer("ada")));
  expect(happened).toEqual(["sage_query", "message flask"]);
});
