import { configure, trackEvent } from "tcs-events";

const form = document.querySelector<HTMLFormElement>("form")!;
const text = form.querySelector<HTMLInputElement>("[name=text]")!;
const maxPrice = form.querySelector<HTMLSelectElement>("[name=max_price]")!;
const rooms = [...document.querySelectorAll<HTMLElement>("[data-room]")];

configure({ cookie: true });

function filters(): Record<string, unknown> {
  return maxPrice.value ? { max_price: Number(maxPrice.value) } : {};
}

/** Shows the rooms that match, and returns their ids. */
function find(): string[] {
  const words = text.value.toLowerCase();
  const limit = Number(maxPrice.value || Infinity);
  for (const room of rooms) {
    const isNamed = room.textContent.toLowerCase().includes(words);
    room.hidden = !isNamed || Number(room.dataset["price"]) > limit;
  }
  return rooms.filter((room) => !room.hidden).map((room) => room.dataset["room"]!);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const found = find();
  trackEvent("search", { text: text.value, found: found.length, rooms: found, filters: filters() });
});

maxPrice.addEventListener("change", () => {
  const value = maxPrice.value ? Number(maxPrice.value) : null;
  const found = find().length;
  trackEvent("filter_changed", { filter: "max_price", value, filters: filters(), found });
});

const screen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    screen.unobserve(target);
    const position = rooms.indexOf(target as HTMLElement) + 1;
    trackEvent("room_seen", { room_id: rooms[position - 1]!.dataset["room"]!, position });
  }
});
rooms.forEach((room) => screen.observe(room));
