import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createSearchStore } from "../searchStore";
import { fetchFilterChoices, searchExperts } from "./api";
import { App } from "./App";

const choices = await fetchFilterChoices().catch(() => undefined); // the words still search
const store = createSearchStore({ search: searchExperts, rateEnds: choices?.rates });

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App store={store} choices={choices} />
  </StrictMode>,
);
