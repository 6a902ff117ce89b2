// The demo's own script. Only its two calls of track() are about tcs_events; each is made once the
// results are on the page. Clicks on cards need no code here: see _results.html.

const POLL_MS = 1000;

// A content blocker may keep the tracker from loading; the page must work without it.
const track = (type, payload) => window.tcsEvents?.trackEvent(type, payload);

const form = document.getElementById("search"); // only the home page has it
if (form) {
  const slider = form.elements.rate_max;
  const readFilters = () => ({
    tags: new FormData(form).getAll("tags"),
    rate_max: slider.value === slider.max ? null : Number(slider.value),
  });

  form.addEventListener("submit", (submit) => {
    submit.preventDefault();
    const query = form.elements.q.value.trim();
    const filters = readFilters();
    showResults(query, filters, (shown) =>
      track("sage_query", {
        query_text: query,
        function_called: query ? "search_experts" : "apply_filters",
        result_count: shown.count,
        expert_ids: shown.expertIds,
        filters,
      }),
    );
  });

  // `change` fires when the slider is released, `input` at every step. One decision of the visitor
  // is one event, so this listens to `change`.
  form.addEventListener("change", ({ target }) => {
    if (target === form.elements.q) return; // the submit handler sends that
    const filters = readFilters();
    // Use the words that were asked, not those that are being typed.
    const query = document.getElementById("results").dataset.query;
    showResults(query, filters, (shown) =>
      track("filter_change", {
        filter: target.name,
        // For tags, the tag that was toggled; `filters` says whether it is on now.
        value: target === slider ? filters.rate_max : target.value,
        filters,
        result_count: shown.count,
      }),
    );
  });

  slider.addEventListener("input", () => {
    const { rate_max: rate } = readFilters();
    form.querySelector("output").value = rate === null ? "any" : `up to €${rate}`;
  });
}

// One search after another, so that each event matches the results that were really shown.
let lastSearch = Promise.resolve();

function showResults(query, filters, whenShown) {
  const params = new URLSearchParams(filters.tags.map((tag) => ["tags", tag]));
  if (query) params.set("q", query);
  if (filters.rate_max !== null) params.set("rate_max", filters.rate_max);
  const url = new URL(form.action);
  url.search = params;

  lastSearch = lastSearch.then(async () => {
    document.getElementById("results").ariaBusy = "true";
    params.set("fragment", "1");
    const response = await fetch(`${url.pathname}?${params}`);
    if (!response.ok) return location.assign(url); // let the browser show what is wrong
    document.getElementById("results").outerHTML = await response.text();
    // A reload shows the same results, and sends nothing again.
    history.replaceState(null, "", url);
    const { count, expertIds } = document.getElementById("results").dataset;
    whenShown({ count: Number(count), expertIds: JSON.parse(expertIds) });
  }).catch(() => location.assign(url));
}

// The panel "Just stored". Rows that are still current stay, so that their highlight can fade.
const list = document.getElementById("just-stored");

async function refreshPanel() {
  try {
    const response = await fetch(list.dataset.url, { cache: "no-store" });
    if (!response.ok) throw new Error(response.statusText);
    const fresh = document.createElement("ol");
    fresh.innerHTML = await response.text();
    const ids = new Set([...fresh.children].map((row) => row.id));
    for (const row of [...list.children]) if (!ids.has(row.id)) row.remove();
    let place = list.firstElementChild;
    for (const row of [...fresh.children]) {
      if (place?.id === row.id) {
        place.querySelector("time")?.replaceWith(row.querySelector("time"));
        place = place.nextElementSibling;
      } else {
        list.insertBefore(row, place);
      }
    }
    list.dataset.state = "live";
  } catch {
    list.dataset.state = "offline"; // the server was stopped; it may come back
  }
  setTimeout(refreshPanel, POLL_MS);
}
refreshPanel();
