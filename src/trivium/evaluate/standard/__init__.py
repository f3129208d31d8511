"""Public benchmarks for any model: the tasks of the field, one file a family, over files of one's own."""
