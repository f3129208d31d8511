// A run that goes on: the state is asked for every second, the whole page once a stage has ended.
import { fragment, place } from "./fetch.js";

const SECONDS = 1.5;

export function watch(drawn) {
  const element = document.querySelector("[data-live]");
  if (!element) return;
  let shown = "";
  let count = element.querySelectorAll(".state.done").length;
  async function look() {
    if (document.hidden) return;
    let html;
    try {
      html = await fragment(element.dataset.live);
    } catch {
      element.classList.add("lost");
      return;
    }
    element.classList.remove("lost");
    if (html === shown || element.contains(document.activeElement)) return;
    shown = html;
    place(element, html);
    await figures(element, drawn);
    const done = element.querySelectorAll(".state.done").length;
    if (done !== count) location.reload();
    count = done;
  }
  setInterval(look, SECONDS * 1000);
}

async function figures(element, drawn) {
  if (!element.querySelector(".state.running")) return;
  const fresh = await fragment("/?part=figures");
  const data = document.getElementById("figures");
  const known = new Set([...document.querySelectorAll("[data-plot]")].map((one) => one.dataset.plot));
  if (Object.keys(JSON.parse(fresh)).some((name) => !known.has(name))) location.reload();
  else if (data && fresh !== data.textContent) {
    data.textContent = fresh;
    drawn();
  }
}
