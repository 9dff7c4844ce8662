"""Which commits of earlier attempts are kept, so that a rollback finds enough steps on the line of record."""

from etils import epath
from orbax.checkpoint.path import atomicity_types

from lwm_trainer import config
from lwm_trainer.checkpoint.lineage import commits_on_line


def commits_to_keep(run: config.RunConfig, origin_step: int, own_commits: int) -> dict[int, int]:
    """Step to attempt, for the earlier attempts' commits that are kept beside `own_commits` of this attempt, begun at `origin_step`.

    Together they are the newest steps on the line, as many as the checkpoint policy keeps. Where two attempts committed the same step,
    the newer one's is kept: both hold the same bits.
    """
    line: dict[int, int] = {}
    for attempt in run.start.earlier_attempts:
        for step in commits_on_line(run, attempt):
            if step <= origin_step:
                line.setdefault(step, attempt)
    newest = sorted(line, reverse=True)[: max(0, run.checkpoint.max_to_keep - own_commits)]
    return {step: line[step] for step in newest}


def prune_earlier_attempts(run: config.RunConfig, origin_step: int, own_commits: int) -> None:
    """Remove everything from the earlier attempts' folders but the commits to keep and `origin.json`.

    A superseded attempt removes nothing. A step that a kill left half removed does not count as a commit, and is removed the next time.
    """
    if _superseded(run):
        return
    keep = commits_to_keep(run, origin_step, own_commits)
    for attempt in run.start.earlier_attempts:
        folder = epath.Path(run.attempt_folder(attempt))
        names = {config.ORIGIN_FILE, *(str(step) for step, owner in keep.items() if owner == attempt)}
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
    (path / atomicity_types.COMMIT_SUCCESS_FILE).unlink(missing_ok=True)  # what makes it a commit in an object store
    if path.name.isdigit() and "://" not in str(path):  # on a file system the name does
        path = path.rename(path.with_name(f"{path.name}.removed"))
    path.rmtree()
