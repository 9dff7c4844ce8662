"""The one error of this room."""


class PlatformError(ValueError):
    """A value that the platform does not have; the message names it and the nearest ones that it has."""
