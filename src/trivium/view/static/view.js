// The frame's script: keys, dialogs, and the parts that some pages need.
import { bindKeys } from "./keys.js";
import { watch } from "./live.js";
import { bindData } from "./data.js";
import { bindForms, bindTokens } from "./replies.js";
import { draw } from "./plots.js";

for (const button of document.querySelectorAll("[data-opens]")) {
  button.addEventListener("click", () => document.getElementById(button.dataset.opens).showModal());
}
bindKeys();
bindData();
bindForms();
bindTokens(document);
draw();
watch(() => draw());
