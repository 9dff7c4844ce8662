"""The error of a training whose fields the API server has dropped: it would go on with defaults in their place."""

from lwm_operator.api.former_names import present_name

SHOWN = 8
"""Fields that the sentence names, so that the fix after them still fits into status.message."""


def lost_field_errors(lost_fields: tuple[str, ...]) -> tuple[str, ...]:
    """One sentence that names the fields, their present names and the fix; none when nothing was lost."""
    if not lost_fields:
        return ()
    named = [_with_present_name(path) for path in lost_fields[:SHOWN]]
    if (more := len(lost_fields) - SHOWN) > 0:
        named.append(f"and {more} more")
    return (
        f"the installed CRD does not have {', '.join(named)}, and what they were set to is lost: "
        "apply the training again with the fields of this version (docs/guides/upgrade.md)",
    )


def _with_present_name(path: str) -> str:
    present = present_name(path)
    return f"spec.{path}" if present is None else f"spec.{path} (now {present})"
