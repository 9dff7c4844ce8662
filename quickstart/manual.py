"""The example's other text: the Python manual's topics, which come with every interpreter as what `help()` shows."""


def topics() -> dict[str, str]:
    """File name, such as `augassign.txt`, to the topic's text, in the order of the names."""
    from pydoc_data.topics import topics as found

    return {f"{name.lower()}.txt": text for name, text in sorted(found.items())}
