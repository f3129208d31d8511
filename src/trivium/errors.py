"""The errors a person can act on. Each message is one sentence: where, got, expected, what to do."""


class TriviumError(Exception):
    """Base of every error that the command line prints without a traceback (exit code 2)."""


class ConfigError(TriviumError):
    """A recipe, an option or a command line is wrong."""


class DataError(TriviumError):
    """An input file or row is missing, truncated or of the wrong shape."""


class ResourceError(TriviumError):
    """The machine lacks something: disk, memory, a sandbox, a teacher, a permission."""


class StageError(TriviumError):
    """A stage cannot run on what the stages before it left."""
