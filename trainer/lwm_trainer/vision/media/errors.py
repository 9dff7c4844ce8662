"""What can be wrong with a picture or a clip."""

from lwm_trainer.data.records.record import BadRecordError


class MediaError(BadRecordError):
    """A file cannot be used as pictures: names the file, what is wrong, and the fix. A record that names it makes no example."""
