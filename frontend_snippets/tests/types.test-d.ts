// Nothing here runs. `npm run check` compiles it: a line that compiles although it must not fails.
import { create } from "zustand";
import { createStore } from "zustand/vanilla";
import { adaptStore } from "../adaptStore";
import type { FilterState, FilterStore, SearchState, SearchStore } from "../searchStore";
import { trackEvent } from "../tracking";
import type { SageAnswer } from "../useSage";

trackEvent("card_click", { expert_id: "ada", context: "grid" });

// @ts-expect-error: a misspelt type
trackEvent("card_clik", { expert_id: "ada", context: "grid" });

// @ts-expect-error: a misspelt field
trackEvent("card_click", { expertId: "ada", context: "grid" });

// @ts-expect-error: a field too many
trackEvent("card_click", { expert_id: "ada", context: "grid", colour: "green" });

// @ts-expect-error: a field too few
trackEvent("card_click", { expert_id: "ada" });

// @ts-expect-error: a context that is none
trackEvent("card_click", { expert_id: "ada", context: "footer" });

// @ts-expect-error: the payload of another type
trackEvent("sage_query", { expert_id: "ada", context: "grid" });

// @ts-expect-error: a count that may be unknown
trackEvent("filter_change", { filter: "tags", value: "ai", filters: {}, result_count: null });

// The total of an answer may be missing. It may be passed as it is, or left out.
declare const data: { search_performed: boolean; total?: number };
export const answer: SageAnswer = data;
const asked = {
  query_text: "under 100 euros",
  function_called: data.search_performed ? "search_experts" : "apply_filters",
  expert_ids: [],
  filters: {},
} as const;
trackEvent("sage_query", { ...asked, expert_ids: [], result_count: data.total });
trackEvent("sage_query", { ...asked, expert_ids: [], result_count: null });
trackEvent("sage_query", { ...asked, expert_ids: [] });

// @ts-expect-error: a count that is a text
trackEvent("sage_query", { ...asked, expert_ids: [], result_count: "7" });

// A zustand store is a search store as it is, and its hook a store for the filters.
export const store: SearchStore<string> = createStore<SearchState<string>>()(
  (): SearchState<string> => {
    throw new Error("never called");
  },
);
export const hook: FilterStore = create<FilterState>()((): FilterState => {
  throw new Error("never called");
});

// A store of slices needs the four actions; the rest is mapped.
interface Slices {
  query: string;
  total?: number;
  loading: boolean;
  setQuery: (q: string) => void;
  setRateRange: (min: number, max: number) => void;
  setTags: (tags: string[]) => void;
  toggleTag: (tag: string) => void;
}
declare const slices: Slices;
const read = ({ query, total, loading }: Slices) => ({
  filters: { query },
  result_count: total ?? null,
  isSearching: loading,
});
export const adapted: FilterStore = adaptStore(create<Slices>()(() => slices), { read });

// @ts-expect-error: a store without setRateRange
adaptStore(create<Omit<Slices, "setRateRange">>()(() => slices), { read });
