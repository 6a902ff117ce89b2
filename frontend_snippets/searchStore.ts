/**
 * The slice of a store that the filter snippets need: the active filters, what they found, and
 * whether a search is still running. Its actions search; they know nothing of tracking.
 *
 * A zustand store with this state satisfies `StoreApi` as it is. Without one, `createSearchStore`
 * is all there is to it.
 */

/**
 * A store that can be read, changed and listened to: the shape of a zustand vanilla store. Its
 * functions need no `this`.
 */
export interface StoreApi<State> {
  getState(): State;
  /** Merges the change into the state, and tells the listeners. */
  setState(change: Partial<State>): void;
  /** Calls the listener after every change. Returns what ends that. */
  subscribe(listener: (state: State) => void): () => void;
}

/** What the visitor filters by. A filter that is off is left out. */
export type SearchFilters = {
  /** The words typed, without spaces around them. */
  query?: string;
  /** The highest hourly rate, inclusive. */
  rate_max?: number;
  /** What an expert must know, all of it, in the order chosen. */
  tags?: string[];
};

export interface SearchState<Item = unknown> {
  filters: SearchFilters;
  /** What the last search found, best first. */
  results: readonly Item[];
  /** How many it found; null before the first answer and after a search that failed. */
  result_count: number | null;
  /** True from the change of a filter on, in the same call, until its results are in. */
  isSearching: boolean;

  setQuery(query: string): void;
  /** `undefined` is any rate. */
  setRateMax(rate_max: number | undefined): void;
  toggleTag(tag: string): void;
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
  /** How long further changes are waited for before the host is asked. Defaults to 150 ms. */
  waitMs?: number;
}

/** A store whose actions change the filters and search. It is empty until `refresh` or a change. */
export function createSearchStore<Item>(options: SearchOptions<Item>): SearchStore<Item> {
  const { search, filters = {}, waitMs = 150 } = options;
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
    setRateMax(rate_max) {
      const { rate_max: _, ...others } = state.filters;
      apply(rate_max === undefined ? others : { ...others, rate_max });
    },
    toggleTag(tag) {
      const { tags = [], ...others } = state.filters;
      const left = tags.filter((other) => other !== tag);
      const changed = left.length < tags.length ? left : [...tags, tag];
      apply(changed.length ? { ...others, tags: changed } : others);
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
  store: Pick<StoreApi<State>, "getState" | "subscribe">,
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
