"""The documented React examples compile against the kit, with the types of React 18 and 19."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.pages import page
from tests.support import ROOT, need

SNIPPETS = ROOT / "frontend_snippets"

HOST = """
import { create } from "zustand";
import { adaptStore } from "SNIPPETS/adaptStore";
import { ExpertCard, type Expert } from "SNIPPETS/ExpertCard";
import { RateSlider } from "SNIPPETS/RateSlider";
import { SearchInput } from "SNIPPETS/SearchInput";
import { TagFilter } from "SNIPPETS/TagFilter";
import { trackEvent } from "SNIPPETS/tracking";
import { useSage, type SageAnswer } from "SNIPPETS/useSage";

interface ExpertGridProps {
  experts: Expert[];
  onViewProfile: (url: string) => void;
}
interface Marketplace {
  query: string;
  rateMin: number;
  rateMax: number;
  tags: string[];
  total?: number;
  loading: boolean;
  setQuery: (q: string) => void;
  setRateRange: (min: number, max: number) => void;
  setTags: (tags: string[]) => void;
  toggleTag: (tag: string) => void;
}
declare const experts: Expert[];
declare const expert: Expert;
declare const context: "grid" | "sage_panel";
declare const onViewProfile: (url: string) => void;
declare const allTags: string[];
declare const initial: Marketplace;
declare function postJson(url: string, body: object): Promise<SageAnswer>;
declare function addMessage(data: SageAnswer): void;
declare function setMessages(change: (messages: SageAnswer[]) => SageAnswer[]): void;
const useMarketplaceStore = create<Marketplace>()(() => initial);
"""


def examples() -> str:
    """Return the examples as one file of a host."""
    cards, handler, sage, own_sage, adapter, filters = page("guides/react").blocks("tsx")
    return (
        HOST.replace("SNIPPETS", str(SNIPPETS))
        + cards
        + f"export const button = <button {handler}>View profile</button>;\n"
        + f"export function Sage() {{\n{sage}return [ask, isAsking, failedQuery];\n}}\n"
        + f"export function handleAnswer(text: string, data: SageAnswer) {{\n{own_sage}}}\n"
        + adapter
        + f"export const sidebar = <>{filters}</>;\nexport {{ MarketplacePage }};\n"
    )


@pytest.mark.parametrize(
    ("config", "misspelt"),
    [
        ("tsconfig.json", None),
        ("tsconfig.react18.json", None),
        ("tsconfig.json", "profile_url"),
        ("tsconfig.json", "setRateRange"),
        ("tsconfig.json", "addMessage"),
    ],
)
def test_the_examples_compile_and_misspelt_they_do_not(
    tmp_path: Path, config: str, misspelt: str | None
) -> None:
    need(shutil.which("npx"), "Node 20 or later", "https://nodejs.org, or apt-get install npm")
    need((SNIPPETS / "node_modules").is_dir(), "npm packages", "npm ci --prefix frontend_snippets")
    file = tmp_path / "examples.tsx"
    file.write_text(examples().replace(misspelt, f"{misspelt}x") if misspelt else examples())
    (tmp_path / "node_modules").symlink_to(SNIPPETS / "node_modules")
    project = tmp_path / "tsconfig.json"
    project.write_text(json.dumps({"extends": str(SNIPPETS / config), "include": [str(file)]}))
    result = subprocess.run(
        ["npx", "tsc", "--noEmit", "--project", str(project)],
        cwd=SNIPPETS,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (result.returncode == 0) == (misspelt is None), result.stdout + result.stderr
