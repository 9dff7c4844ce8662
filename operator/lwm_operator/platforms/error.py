"""The error of a value that a platform does not have."""


class PlatformError(ValueError):
    """A value that the platform does not have. The message names it and the nearest values that exist."""
