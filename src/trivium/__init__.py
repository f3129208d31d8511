"""Trivium raises a small language model on data quality: the Phi-4 recipe as software.

The command line is `./trivium`; the same things from Python:

    from trivium import pipeline, recipe
    run = pipeline.run(recipe.load("recipes/pocket.py"), "runs/pocket")
"""

__version__ = "0.1.0"
