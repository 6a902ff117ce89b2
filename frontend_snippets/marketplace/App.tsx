import { useEffect, useRef, useState } from "react";
import type { SearchStore } from "../searchStore";
import type { GroveExpert } from "./api";
import { Leaf } from "./Avatar";
import { Profile } from "./Profile";
import { SagePanel } from "./SagePanel";
import { SearchPage } from "./SearchPage";

/** Where the host of the demo is, whose own page shows what was stored. */
declare const HOST_URL: string;

const FROM_LIST = "from the list";

/** The whole site: a list or a profile, as the address says, and Sage beside it. */
export function App({ store }: { store: SearchStore<GroveExpert> }) {
  const [username, view] = useExpertInAddress();

  return (
    <>
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <header className="masthead">
        <a className="brand" href="?">
          <Leaf /> Grove
        </a>
        <a className="stored" href={HOST_URL} target="_blank" rel="noreferrer">
          What was stored <span aria-hidden="true">↗</span>
        </a>
      </header>
      <div className="columns">
        <main id="content" tabIndex={-1}>
          {username ? (
            <Profile username={username} onBack={() => view(null)} key={username} />
          ) : (
            <SearchPage store={store} onViewProfile={view} />
          )}
        </main>
        <SagePanel store={store} onViewProfile={view} />
      </div>
    </>
  );
}

/** The expert whose profile the address asks for, and how to go to another one's or to the list. */
function useExpertInAddress(): [string | null, (username: string | null) => void] {
  const [username, setUsername] = useState(readAddress);
  const last = useRef(username);

  useEffect(() => {
    const handleBack = () => setUsername(readAddress());
    addEventListener("popstate", handleBack);
    return () => removeEventListener("popstate", handleBack);
  }, []);

  // Back in the list, the keyboard goes on where it left.
  useEffect(() => {
    if (!username && last.current)
      document
        .querySelector<HTMLElement>(`.cards a[href="${profileAddress(last.current)}"]`)
        ?.focus({ preventScroll: true });
    last.current = username;
  }, [username]);

  function view(next: string | null): void {
    // The list as it was left, with its scroll position, is one step back.
    if (!next && history.state === FROM_LIST) return history.back();
    history.pushState(username ? null : FROM_LIST, "", next ? profileAddress(next) : "?");
    setUsername(next);
    scrollTo(0, 0);
  }

  return [username, view];
}

function readAddress(): string | null {
  return new URLSearchParams(location.search).get("expert");
}

export function profileAddress(username: string): string {
  return `?expert=${encodeURIComponent(username)}`;
}
