/** What the host answers: see `tcs_events/demo/api.py`. */

import type { Expert } from "../ExpertCard";
import type { SearchAnswer, SearchFilters } from "../searchStore";
import type { Filters } from "../tracking";
import type { SageAnswer } from "../useSage";
import { profileAddress } from "./address";

export interface GroveExpert extends Expert {
  /** Of the avatar, in degrees of the colour wheel. */
  hue: number;
}

export interface GroveAnswer extends SageAnswer {
  /** In Sage's words. */
  answer: string;
  experts: readonly GroveExpert[];
  total: number;
}

/** What can be filtered by. */
export interface FilterChoices {
  tags: readonly string[];
  /** The ends of the slider, in euros. */
  rates: { min: number; max: number };
}

export const RATE_STEP = 10;

/** An expert as the host sends one. Where the profile is, this page decides. */
type HostExpert = Omit<GroveExpert, "profile_url">;

const TIMEOUT_MS = 10_000;

/** Those who fit, by name; all of them without filters. */
export async function searchExperts(
  { query, tags = [], rate_min, rate_max }: SearchFilters,
  signal?: AbortSignal,
): Promise<SearchAnswer<GroveExpert>> {
  const params = new URLSearchParams(tags.map((tag) => ["tags", tag]));
  if (query) params.set("q", query);
  if (rate_min !== undefined) params.set("rate_min", String(rate_min));
  if (rate_max !== undefined) params.set("rate_max", String(rate_max));
  const { experts, result_count } = await fetchJson<{ experts: HostExpert[]; result_count: number }>(
    `/api/experts?${params}`,
    signal && { signal },
  );
  return { results: experts.map(withProfile), result_count };
}

/** The expert of this name, or undefined where there is none. */
export async function findExpert(username: string): Promise<GroveExpert | undefined> {
  const { results } = await searchExperts({});
  return results.find((expert) => expert.username === username);
}

export async function fetchFilterChoices(): Promise<FilterChoices> {
  const { tags, rate_min, rate_ceiling } = await fetchJson<{
    tags: string[];
    rate_min: number;
    rate_ceiling: number;
  }>("/api/experts/filters");
  // The ends are steps too, or the right one could not be reached.
  return { tags, rates: { min: Math.floor(rate_min / RATE_STEP) * RATE_STEP, max: rate_ceiling } };
}

export async function askSage(query: string, filters: Filters): Promise<GroveAnswer> {
  const { experts, result_count, ...answer } = await fetchJson<{
    answer: string;
    search_performed: boolean;
    experts: HostExpert[];
    result_count: number;
  }>("/api/sage", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ query, filters }),
  });
  return { ...answer, experts: experts.map(withProfile), total: result_count };
}

function withProfile(expert: HostExpert): GroveExpert {
  return { ...expert, profile_url: profileAddress(expert.username) };
}

async function fetchJson<T>(url: string, { signal, ...init }: RequestInit = {}): Promise<T> {
  const signals = [AbortSignal.timeout(TIMEOUT_MS), ...(signal ? [signal] : [])];
  const response = await fetch(url, { ...init, signal: AbortSignal.any(signals) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return (await response.json()) as T;
}
