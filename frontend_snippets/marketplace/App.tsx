import type { SearchStore } from "../searchStore";
import { useExpertInAddress } from "./address";
import type { FilterChoices, GroveExpert } from "./api";
import { Leaf } from "./Avatar";
import { Profile } from "./Profile";
import { SagePanel } from "./SagePanel";
import { SearchPage } from "./SearchPage";

/** Where the host of the demo is, whose own page shows what was stored. */
declare const HOST_URL: string;

export interface AppProps {
  store: SearchStore<GroveExpert>;
  /** Undefined where the host did not say. */
  choices: FilterChoices | undefined;
}

/** The whole site: a list or a profile, as the address says, and Sage beside it. */
export function App({ store, choices }: AppProps) {
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
            <SearchPage store={store} choices={choices} onViewProfile={view} />
          )}
        </main>
        <SagePanel store={store} onViewProfile={view} />
      </div>
    </>
  );
}
