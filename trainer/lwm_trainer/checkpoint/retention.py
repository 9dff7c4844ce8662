"""Which commits of earlier attempts stay: with this attempt's own, the newest `keep` on the line of record, for a rollback to find."""

from etils import epath
from orbax.checkpoint.path import atomicity_types

from lwm_trainer import config
from lwm_trainer.checkpoint.lineage import commits_of


def kept(run: config.RunConfig, origin_step: int, own: int) -> dict[int, int]:
    """Step to attempt, for the earlier attempts' commits that stay when this attempt, begun at `origin_step`, has `own` of its own.

    Of two attempts that committed the same step, the newer one's stays: both hold the same bits.
    """
    line: dict[int, int] = {}
    for attempt in run.start.earlier_attempts:
        for step in commits_of(run, attempt):
            if step <= origin_step:
                line.setdefault(step, attempt)
    newest = sorted(line, reverse=True)[: max(0, run.checkpoint.max_to_keep - own)]
    return {step: line[step] for step in newest}


def prune(run: config.RunConfig, origin_step: int, own: int) -> None:
    """Remove all else from the earlier attempts' folders but their `origin.json`. A superseded attempt removes nothing.

    What is left half removed by a kill counts as no commit any more, and goes the next time.
    """
    if _superseded(run):
        return
    stay = kept(run, origin_step, own)
    for attempt in run.start.earlier_attempts:
        folder = epath.Path(run.attempt_folder(attempt))
        names = {config.ORIGIN_FILE, *(str(step) for step, of in stay.items() if of == attempt)}
        for path in folder.iterdir() if folder.exists() else ():
            if path.parent == folder and path.name not in names:
                _remove(path)


def _superseded(run: config.RunConfig) -> bool:
    names = [path.name for path in epath.Path(run.stage_folder).iterdir()]
    return any(int(name[1:]) > run.attempt for name in names if name[:1] == "a" and name[1:].isdigit())


def _remove(path: epath.Path) -> None:
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    (path / atomicity_types.COMMIT_SUCCESS_FILE).unlink(missing_ok=True)  # an object store's mark of a commit
    if path.name.isdigit() and "://" not in str(path):  # a file system's is the name
        path = path.rename(path.with_name(f"{path.name}.removed"))
    path.rmtree()
