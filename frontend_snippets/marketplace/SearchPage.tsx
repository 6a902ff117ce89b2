import { useEffect, useSyncExternalStore } from "react";
import { ExpertCard } from "../ExpertCard";
import { RateSlider } from "../RateSlider";
import { SearchInput } from "../SearchInput";
import type { SearchStore } from "../searchStore";
import { TagFilter } from "../TagFilter";
import { RATE_STEP, type FilterChoices, type GroveExpert } from "./api";
import { Avatar } from "./Avatar";

export interface ResultsProps {
  store: SearchStore<GroveExpert>;
  onViewProfile(url: string): void;
}

export interface SearchPageProps extends ResultsProps {
  choices: FilterChoices | undefined;
}

/** Filters, and the experts who fit them. */
export function SearchPage({ store, choices, onViewProfile }: SearchPageProps) {
  useEffect(() => {
    if (store.getState().result_count === null) store.getState().refresh();
  }, [store]);

  return (
    <>
      <section className="search" role="search" aria-label="Experts">
        <h1>Find someone who has&nbsp;done it before.</h1>
        <p className="lede">Independent experts, by the hour. Search here, or tell Sage what you need.</p>
        <div className="field">
          <svg className="glass" viewBox="0 0 24 24" aria-hidden="true">
            <circle cx="11" cy="11" r="6.5" />
            <path d="m16 16 4.5 4.5" />
          </svg>
          <SearchInput store={store} label="Search experts" placeholder="Name, skill or craft" />
        </div>
        {choices && (
          <div className="filters">
            <TagFilter store={store} tags={choices.tags} />
            <RateSlider store={store} {...choices.rates} step={RATE_STEP} />
          </div>
        )}
      </section>
      <Results store={store} onViewProfile={onViewProfile} />
    </>
  );
}

function Results({ store, onViewProfile }: ResultsProps) {
  const state = useSyncExternalStore(store.subscribe, store.getState);
  const { results, result_count, isSearching, clearFilters, refresh } = state;
  const isFiltered = Object.keys(state.filters).length > 0;

  if (result_count === null && !isSearching)
    return (
      <section className="nobody" role="alert">
        <p>
          The experts could not be loaded. Is their host running? <code>python -m tcs_events.demo</code>
        </p>
        <button className="button quiet" onClick={refresh}>
          Try again
        </button>
      </section>
    );

  return (
    <section className="results" aria-label="Results" aria-busy={isSearching}>
      <p className="count">
        <span role="status">
          {result_count !== null && `${result_count} ${result_count === 1 ? "expert" : "experts"}`}
        </span>
        {isFiltered && (
          <button className="link" onClick={clearFilters}>
            Clear filters
          </button>
        )}
      </p>
      {result_count === 0 && (
        <p className="nobody">Nobody fits. Try fewer words, a higher rate or one tag less.</p>
      )}
      <ul className="cards">
        {results.map((expert, index) => (
          <li key={expert.username}>
            <ExpertCard
              expert={expert}
              context="grid"
              position={index + 1}
              picture={<Avatar expert={expert} />}
              onViewProfile={onViewProfile}
            />
          </li>
        ))}
      </ul>
    </section>
  );
}
