// Forms that answer in place (chat, review), and what a token's neighbours were.
import { fragment, place } from "./fetch.js";

export function bindForms(root = document) {
  for (const form of root.querySelectorAll("form[data-answer]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form, event.submitter);
    });
  }
}

async function send(form, button) {
  const target = document.getElementById(form.dataset.answer);
  const words = new URLSearchParams(new FormData(form, button));
  words.set("part", "1");
  target.setAttribute("aria-busy", "true");
  const buttons = [...form.querySelectorAll("button")];
  for (const one of buttons) one.disabled = true;
  try {
    place(target, await fragment(form.getAttribute("action"), { method: "POST", body: words }));
  } finally {
    for (const one of buttons) one.disabled = false;
    target.removeAttribute("aria-busy");
  }
  bindTokens(target);
  bindForms(target);
  target.querySelector("[data-focus]")?.focus();
}

export function bindTokens(root) {
  for (const token of root.querySelectorAll("[data-peek]")) {
    token.addEventListener("mouseenter", () => peek(token));
    token.addEventListener("focus", () => peek(token));
    token.addEventListener("keydown", (event) => walk(event, token));
  }
}

function peek(token) {
  const box = document.getElementById(token.dataset.box);
  const source = document.getElementById(token.dataset.peek);
  box.replaceChildren(source.content.cloneNode(true));
}

function walk(event, token) {
  const next = { ArrowRight: token.nextElementSibling, ArrowLeft: token.previousElementSibling }[event.key];
  if (!next) return;
  event.preventDefault();
  token.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}
