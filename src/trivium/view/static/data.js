// The data page: typing filters at once, without a new page; the address follows, so it can be kept.
import { fragment, place } from "./fetch.js";

const PAUSE = 160;

export function bindData() {
  const narrow = window.matchMedia("(max-width: 860px)").matches;
  for (const more of document.querySelectorAll("details[data-wide]")) more.open = !narrow;
  const form = document.querySelector("form[data-filter]");
  if (!form) return;
  let timer = 0;
  let turn = 0;
  async function ask() {
    const words = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
    const mine = ++turn;
    history.replaceState(null, "", `${form.getAttribute("action")}?${words}`);
    for (const name of ["rows", "facets"]) {
      const target = document.getElementById(name);
      target.setAttribute("aria-busy", "true");
      const html = await fragment(`${form.getAttribute("action")}?${words}&part=${name}`);
      if (mine !== turn) return;
      if (!(name === "facets" && target.contains(document.activeElement))) place(target, html);
      target.removeAttribute("aria-busy");
    }
  }
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    ask();
  });
  form.querySelector("select[data-jump]")?.addEventListener("change", (event) => {
    location.assign(`${form.getAttribute("action")}?table=${encodeURIComponent(event.target.value)}`);
  });
  const facets = document.getElementById("facets");
  if (facets?.dataset.later) {
    fragment(facets.dataset.later).then((html) => place(facets, html));
  }
}
