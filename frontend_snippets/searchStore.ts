/**
 * The slice of a store that the filter snippets need: the active filters, how many experts they
 * found, whether a search is still running, and four actions. The actions search; they know nothing
 * of tracking.
 *
 * A zustand store with the state `FilterState` can be passed as it is, and so can its hook. For a
 * store with other state, see `adaptStore.ts`. Without one, `createSearchStore` makes a store.
 */

/** A store that can be read and listened to. Its functions need no `this`. */
export interface ReadableStore<State> {
  getState(): State;
  /** Calls the listener after every change. Returns a function that ends this. */
  subscribe(listener: (state: State) => void): () => void;
}

/** The shape of a zustand vanilla store. */
export interface StoreApi<State> extends ReadableStore<State> {
  /** Merges the change into the state, and tells the listeners. */
  setState(change: Partial<State>): void;
}

/** What the visitor filters by. A filter that is off is left out. */
export type SearchFilters = {
  query?: string | undefined;
  /** The lowest hourly rate, inclusive. */
  rate_min?: number | undefined;
  /** The highest hourly rate, inclusive. */
  rate_max?: number | undefined;
  /** What an expert must know, all of it, in the order chosen. */
  tags?: string[] | undefined;
};

export interface FilterActions {
  setQuery(query: string): void;
  /** Both bounds are inclusive. The slider passes its own ends where the visitor chose none. */
  setRateRange(min: number, max: number): void;
  setTags(tags: string[]): void;
  toggleTag(tag: string): void;
}

/** What was asked for, and what it found. */
export interface SearchOutcome {
  filters: SearchFilters;
  /** How many were found; null before the first answer and after a search that failed. */
  result_count: number | null;
  /** True from the change of a filter on, in the same call, until its results are in. */
  isSearching: boolean;
}

export type FilterState = FilterActions & SearchOutcome;

/** What `SearchInput`, `RateSlider` and `TagFilter` take. */
export type FilterStore = ReadableStore<FilterState>;

export interface SearchState<Item = unknown> extends FilterActions, SearchOutcome {
  /** What the last search found, best first. */
  results: readonly Item[];
  clearFilters(): void;
  /** Searches with the filters as they are: at the start, and again after a failure. */
  refresh(): void;
}

export type SearchStore<Item = unknown> = StoreApi<SearchState<Item>>;

export interface SearchAnswer<Item> {
  results: readonly Item[];
  result_count: number;
}

export interface SearchOptions<Item> {
  /**
   * Asks the host. Its signal is aborted once a later search makes the answer worthless. It should
   * give up at some time, since the store stays unsettled until then.
   */
  search(filters: SearchFilters, signal: AbortSignal): Promise<SearchAnswer<Item>>;
  /** What the store begins with. Defaults to no filters. */
  filters?: SearchFilters;
  /** The ends of the rate slider: a bound at its end is off. Defaults to 0 and no upper end. */
  rateEnds?: { min: number; max: number } | undefined;
  /** How long further changes are waited for before the host is asked. Defaults to 150 ms. */
  waitMs?: number;
}

/** A store whose actions change the filters and search. It is empty until `refresh` or a change. */
export function createSearchStore<Item>(options: SearchOptions<Item>): SearchStore<Item> {
  const { search, filters = {}, waitMs = 150, rateEnds = { min: 0, max: Infinity } } = options;
  const listeners = new Set<(state: SearchState<Item>) => void>();
  let latest = new AbortController();

  function setState(change: Partial<SearchState<Item>>): void {
    state = { ...state, ...change };
    for (const listener of [...listeners]) listener(state);
  }

  function apply(filters: SearchFilters, delayMs = waitMs): void {
    latest.abort(); // an answer that comes late must not replace a newer one
    const { signal } = (latest = new AbortController());
    setState({ filters, isSearching: true });
    setTimeout(async () => {
      if (signal.aborted) return;
      const found = await search(filters, signal).catch(() => ({ results: [], result_count: null }));
      if (!signal.aborted) setState({ ...found, isSearching: false });
    }, delayMs);
  }

  let state: SearchState<Item> = {
    filters,
    results: [],
    result_count: null,
    isSearching: false,
    setQuery(text) {
      const { query: _, ...others } = state.filters;
      const query = text.trim();
      apply(query ? { ...others, query } : others);
    },
    setRateRange(min, max) {
      const { rate_min: _, rate_max: __, ...others } = state.filters;
      apply({
        ...others,
        ...(min > rateEnds.min && { rate_min: min }),
        ...(max < rateEnds.max && { rate_max: max }),
      });
    },
    setTags(chosen) {
      const { tags: _, ...others } = state.filters;
      const tags = [...new Set(chosen)];
      apply(tags.length ? { ...others, tags } : others);
    },
    toggleTag(tag) {
      const { tags = [] } = state.filters;
      const left = tags.filter((other) => other !== tag);
      state.setTags(left.length < tags.length ? left : [...tags, tag]);
    },
    clearFilters: () => apply({}, 0),
    refresh: () => apply(state.filters, 0),
  };

  return {
    getState: () => state,
    setState,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The state once no search is running: at once where none is, else after the last one's answer. */
export function whenSettled<State extends { isSearching: boolean }>(
  store: ReadableStore<State>,
): Promise<State> {
  return new Promise((resolve) => {
    if (!store.getState().isSearching) return resolve(store.getState());
    const unsubscribe = store.subscribe((state) => {
      if (state.isSearching) return;
      unsubscribe();
      resolve(state);
    });
  });
}
