// Keys: g and a letter for a page, / for the search, j and k for rows, [ and ] for pages, ? for the list.
let waiting = 0;

export function bindKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    if (press(event.key, event)) event.preventDefault();
  });
}

function typing(target) {
  return target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable]") !== null;
}

function press(key, event) {
  if (waiting && Date.now() - waiting < 1500) {
    waiting = 0;
    const link = [...document.querySelectorAll("[data-go]")].find((one) => one.dataset.go === key);
    if (link) link.click();
    return Boolean(link);
  }
  if (key === "g") return Boolean((waiting = Date.now()));
  if (key === "?") return click('[data-opens="keys"]');
  if (key === "/") return focus("[data-search]");
  if (key === "j") return step(1);
  if (key === "k") return step(-1);
  if (key === "[") return click('[rel="prev"]');
  if (key === "]") return click('[rel="next"]');
  if (key === "Enter" && event.target === document.body) return click("tr.at a.open");
  return click(`[data-key="${CSS.escape(key)}"]`);
}

function click(selector) {
  const found = document.querySelector(selector);
  if (found) found.click();
  return Boolean(found);
}

function focus(selector) {
  const found = document.querySelector(selector);
  if (found) found.focus();
  return Boolean(found);
}

function step(by) {
  const rows = [...document.querySelectorAll("[data-row]")];
  if (!rows.length) return false;
  const at = rows.findIndex((row) => row.classList.contains("at"));
  const next = Math.max(0, Math.min(rows.length - 1, at + by));
  rows.forEach((row, index) => row.classList.toggle("at", index === next));
  const target = rows[next];
  target.scrollIntoView({ block: "nearest" });
  const link = target.querySelector("a.open, summary");
  if (link) link.focus({ preventScroll: true });
  return true;
}
