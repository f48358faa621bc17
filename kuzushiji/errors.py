"""The two errors that the helpers raise: one for bad data, one for data that could not be had."""


class DataError(Exception):
    """Something about the data is wrong; the message says what was found, what was expected and what to do."""


class Unreachable(DataError):
    """No source had the data; the message lists every source tried and why each failed."""
