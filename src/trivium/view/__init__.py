"""View: the workbench, a local web app over a run folder. It reads; only labels are its own."""
