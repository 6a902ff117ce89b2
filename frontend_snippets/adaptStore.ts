import type { FilterActions, FilterState, FilterStore, ReadableStore, SearchOutcome } from "./searchStore";

export interface AdaptOptions<State> {
  /** Says where the state has what the filter snippets read. Called after each change of it. */
  read(state: State): SearchOutcome;
  /**
   * How long after a filter's change its search may begin. Until then the results are not taken for
   * those of the change. Defaults to 500 ms; it must be longer than the page's own debounce.
   */
  beginsWithinMs?: number;
}

/**
 * Makes the filter snippets work with a store whose state looks different, such as a zustand store
 * of several slices. The store has the four actions; `read` maps the rest:
 *
 *     const filterStore = adaptStore(useMarketplaceStore, {
 *       read: ({ query, tags, total, loading }) => ({
 *         filters: { ...(query && { query }), ...(tags.length && { tags }) },
 *         result_count: total,
 *         isSearching: loading,
 *       }),
 *     });
 *
 * Such a store seldom says that it is searching in the call that changes a filter: an effect of the
 * page begins the search later. The adapted store says so at once, until the search has ended or
 * until `beginsWithinMs` have passed without one.
 */
export function adaptStore<State extends FilterActions>(
  store: ReadableStore<State>,
  { read, beginsWithinMs = 500 }: AdaptOptions<State>,
): FilterStore {
  const listeners = new Set<() => void>();
  /** Whether a filter was changed whose search has not begun yet. */
  let isExpected = false;
  /** Ends the watch for that search. */
  let unwatch = () => {};

  function expectSearch(): void {
    unwatch(); // without a word to the listeners: the search is still expected
    let wasSearching = read(store.getState()).isSearching;
    const unsubscribe = store.subscribe((state) => {
      const { isSearching } = read(state);
      const hasBegun = isSearching && !wasSearching;
      wasSearching = isSearching;
      if (hasBegun) stopExpecting();
    });
    const timer = setTimeout(stopExpecting, beginsWithinMs);
    unwatch = () => {
      clearTimeout(timer);
      unsubscribe();
    };
    setExpected(true);
  }

  function stopExpecting(): void {
    unwatch();
    setExpected(false);
  }

  function setExpected(expected: boolean): void {
    if (isExpected === expected) return;
    isExpected = expected;
    for (const listener of [...listeners]) listener();
  }

  const actions: FilterActions = {
    setQuery: (query) => change((state) => state.setQuery(query)),
    setRateRange: (min, max) => change((state) => state.setRateRange(min, max)),
    setTags: (tags) => change((state) => state.setTags(tags)),
    toggleTag: (tag) => change((state) => state.toggleTag(tag)),
  };
  function change(act: (state: State) => void): void {
    expectSearch();
    act(store.getState());
  }

  // React needs the same object as long as nothing has changed.
  let source: State | undefined;
  let wasExpected = false;
  let adapted: FilterState | undefined;

  function getState(): FilterState {
    const state = store.getState();
    if (adapted && state === source && isExpected === wasExpected) return adapted;
    const outcome = read(state);
    [source, wasExpected] = [state, isExpected];
    adapted = { ...outcome, ...actions, isSearching: outcome.isSearching || isExpected };
    return adapted;
  }

  return {
    getState,
    subscribe(listener) {
      const handleChange = () => listener(getState());
      listeners.add(handleChange);
      const unsubscribe = store.subscribe(handleChange);
      return () => {
        listeners.delete(handleChange);
        unsubscribe();
      };
    },
  };
}
