// Charts: the report's figures, drawn by the copy of plotly.js that the plotly package ships.
export function draw() {
  const data = document.getElementById("figures");
  if (!data || !window.Plotly) return;
  const figures = JSON.parse(data.textContent);
  const ink = getComputedStyle(document.body).color;
  for (const place of document.querySelectorAll("[data-plot]")) {
    const figure = figures[place.dataset.plot];
    if (!figure) continue;
    const layout = structuredClone(figure.layout);
    layout.font.color = ink;
    window.Plotly.react(place, figure.data, layout, { responsive: true, displayModeBar: false });
  }
}

window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
