import { ExpertCard } from "../ExpertCard";
import { RateSlider } from "../RateSlider";
import { SearchInput } from "../SearchInput";
import { createSearchStore } from "../searchStore";
import { TagFilter } from "../TagFilter";
import { useSage } from "../useSage";

const ada = {
  username: "ada",
  profile_url: "/experts/ada",
  name: "Ada",
  title: "Engineer",
  bio: "",
  tags: ["ai"],
  hourly_rate: 100,
};

const store = createSearchStore({
  search: async () => ({ results: [], result_count: 0 }),
  filters: { query: "flask", rate_max: 120, tags: ["ai"] },
});

/** A page with the whole kit on it, which needs no browser to be rendered. */
export function KitPage() {
  const { isAsking } = useSage({
    request: async () => ({ search_performed: true }),
    addMessage: () => {},
    getFilters: () => ({}),
  });
  return (
    <main aria-busy={isAsking}>
      <SearchInput store={store} label="Search" />
      <RateSlider store={store} min={60} max={200} />
      <TagFilter store={store} tags={["ai", "data"]} />
      <ExpertCard expert={ada} context="grid" position={1} onViewProfile={() => {}} />
    </main>
  );
}
