from pathlib import Path
def build() -> list[tuple[str, Path]]:
    return []
