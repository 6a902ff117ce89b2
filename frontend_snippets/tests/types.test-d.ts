// Nothing here runs. `npm run check` compiles it: a line that compiles although it must not fails.
import { createStore } from "zustand/vanilla";
import type { SearchState, SearchStore } from "../searchStore";
import { trackEvent } from "../tracking";

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

// A zustand store is a search store as it is.
export const store: SearchStore<string> = createStore<SearchState<string>>()(
  (): SearchState<string> => {
    throw new Error("never called");
  },
);
