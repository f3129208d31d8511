"use strict";
(function () {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  function draw() {
    const ink = getComputedStyle(document.body).color;
    for (const [name, figure] of Object.entries(figures)) {
      const place = document.getElementById("plot-" + name);
      if (!place) continue;
      const layout = JSON.parse(JSON.stringify(figure.layout));
      layout.font.color = ink;
      Plotly.react(place, figure.data, layout, { responsive: true, displayModeBar: false });
    }
  }
  draw();
  dark.addEventListener("change", draw);
})();
