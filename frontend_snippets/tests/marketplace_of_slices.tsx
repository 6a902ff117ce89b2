/**
 * A marketplace as many are: a zustand store of slices, an effect that searches once the filters
 * have stood for 300 ms, and the chain MarketplacePage, ExpertGrid, ExpertCard.
 */

import { useEffect, useState } from "react";
import { createStore, type StoreApi } from "zustand/vanilla";
import { adaptStore } from "../adaptStore";
import { ExpertCard, type Expert } from "../ExpertCard";
import { RateSlider } from "../RateSlider";
import { SearchInput } from "../SearchInput";
import type { FilterActions, FilterStore } from "../searchStore";
import { TagFilter } from "../TagFilter";

interface FilterSlice extends FilterActions {
  query: string;
  rateRange: [number, number];
  tags: string[];
}

interface ResultSlice {
  experts: Expert[];
  /** Undefined until the host has answered. */
  total: number | undefined;
  loading: boolean;
}

type Marketplace = FilterSlice & ResultSlice;

const RATES: [number, number] = [0, 300];

export function createMarketplace(): StoreApi<Marketplace> {
  return createStore<Marketplace>()((set, get) => ({
    query: "",
    rateRange: RATES,
    tags: [],
    experts: [],
    total: undefined,
    loading: false,
    setQuery: (query) => set({ query }),
    setRateRange: (min, max) => set({ rateRange: [min, max] }),
    setTags: (tags) => set({ tags }),
    toggleTag(tag) {
      const { tags } = get();
      set({ tags: tags.includes(tag) ? tags.filter((other) => other !== tag) : [...tags, tag] });
    },
  }));
}

export function filtersOf(store: StoreApi<Marketplace>): FilterStore {
  return adaptStore(store, {
    read: ({ query, rateRange: [min, max], tags, total, loading }) => ({
      filters: {
        ...(query && { query }),
        ...(min > RATES[0] && { rate_min: min }),
        ...(max < RATES[1] && { rate_max: max }),
        ...(tags.length && { tags }),
      },
      result_count: total ?? null,
      isSearching: loading,
    }),
  });
}

export interface MarketplacePageProps {
  store: StoreApi<Marketplace>;
  search(): Promise<Expert[]>;
  openProfile(url: string): void;
}

export function MarketplacePage({ store, search, openProfile }: MarketplacePageProps) {
  const [filters] = useState(() => filtersOf(store));
  const [experts, setExperts] = useState<Expert[]>([]);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    let last: unknown;
    return store.subscribe(({ query, rateRange, tags }) => {
      const asked = JSON.stringify([query, rateRange, tags]);
      if (asked === last) return;
      last = asked;
      clearTimeout(timer);
      timer = setTimeout(async () => {
        store.setState({ loading: true });
        const found = await search();
        store.setState({ experts: found, total: found.length, loading: false });
        setExperts(found);
      }, 300);
    });
  }, [store, search]);

  const handleViewProfile = (url: string) => openProfile(url);
  return (
    <>
      <SearchInput store={filters} label="Search" />
      <RateSlider store={filters} min={RATES[0]} max={RATES[1]} />
      <TagFilter store={filters} tags={["ai", "data"]} />
      <ExpertGrid experts={experts} onViewProfile={handleViewProfile} />
    </>
  );
}

interface ExpertGridProps {
  experts: Expert[];
  onViewProfile(url: string): void;
}

function ExpertGrid({ experts, onViewProfile }: ExpertGridProps) {
  return (
    <>
      {experts.map((expert) => (
        <ExpertCard
          key={expert.username}
          expert={expert}
          context="grid"
          onViewProfile={onViewProfile}
        />
      ))}
    </>
  );
}
