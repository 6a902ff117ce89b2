import { useEffect, useRef, useState } from "react";

const FROM_LIST = "from the list";

/** The address of an expert's profile. */
export function profileAddress(username: string): string {
  return `?expert=${encodeURIComponent(username)}`;
}

/** The expert whose profile the address asks for, and how to go to another address or to the list. */
export function useExpertInAddress(): [string | null, (profile_url: string | null) => void] {
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

  function view(profile_url: string | null): void {
    // The list as it was left, with its scroll position, is one step back.
    if (!profile_url && history.state === FROM_LIST) return history.back();
    history.pushState(username ? null : FROM_LIST, "", profile_url ?? "?");
    setUsername(readAddress());
    scrollTo(0, 0);
  }

  return [username, view];
}

function readAddress(): string | null {
  return new URLSearchParams(location.search).get("expert");
}
