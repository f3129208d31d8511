"""The report's claims, put to the test on a run or any model: experiments with seeds and intervals.

Stands above the rooms, as the pipeline does: an experiment calls the search, the trainer and the evaluation.
"""
