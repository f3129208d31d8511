"""The command line: one dataclass a verb (verbs.py), one small module a verb's work, nothing else."""
