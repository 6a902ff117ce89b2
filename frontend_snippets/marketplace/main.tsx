import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createSearchStore } from "../searchStore";
import { searchExperts } from "./api";
import { App } from "./App";

const store = createSearchStore({ search: searchExperts });

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App store={store} />
  </StrictMode>,
);
