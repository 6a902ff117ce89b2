import { useState } from "react";
import { createRoot } from "react-dom/client";
import { configure, reset, sessionId, trackEvent } from "tcs-events";
import { ExpertCard, type Expert } from "tcs-events/react";

const ada: Expert = {
  username: "ada",
  name: "Ada",
  title: "Engineer",
  bio: "",
  tags: [],
  hourly_rate: 90,
  profile_url: "#ada",
};

function Page() {
  const [session, setSession] = useState<string>();
  return (
    <>
      <button id="open" onClick={() => trackEvent("room_opened", { room_id: "sea-view", source: "map" })}>
        Open
      </button>
      <button id="hide" onClick={() => trackEvent("map_hidden")}>Hide</button>
      <button id="log-out" onClick={reset}>Log out</button>
      <button id="session" onClick={() => setSession(sessionId())}>{session ?? "unknown"}</button>
      <a id="marked" href="#marked" data-track-event="map_hidden" data-track-payload='{"seconds": 3}'>
        Hide
      </a>
      <ExpertCard expert={ada} context="grid" onViewProfile={(url) => location.assign(url)} />
    </>
  );
}

configure({ endpoint: "/api/events" });
createRoot(document.getElementById("root")!).render(<Page />);
