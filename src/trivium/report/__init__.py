"""Report: reads a run folder and writes one self-contained HTML file. It runs no stage and imports none."""
