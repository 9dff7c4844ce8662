"""Multislice attempts have one Job per slice. The plan treats them as one Job: all must exist, and when one ends the attempt ends."""

from lwm_operator.plan.observed import JobView, PodState, PodView


def merge_jobs(jobs: tuple[JobView, ...], slices: int) -> JobView | None:
    """The Jobs of an attempt merged into one; None while any of them does not exist."""
    if not jobs or {job.slice for job in jobs} != set(range(slices)):
        return None
    if len(jobs) == 1:
        return jobs[0]
    first = jobs[0]
    return JobView(
        name=first.name,
        uid=first.uid,
        stage=first.stage,
        attempt=first.attempt,
        slices=slices,
        hosts=sum(job.hosts for job in jobs),
        image=first.image,
        template=first.template,
        succeeded=sum(job.succeeded for job in jobs),
        failed=any(job.failed for job in jobs),
        failed_indexes=frozenset().union(*(job.failed_indexes for job in jobs)),
        message="; ".join(dict.fromkeys(job.message for job in jobs if job.message)),
        since=min(job.since for job in jobs),
        suspended=any(job.suspended for job in jobs),
        held=any(job.held for job in jobs),
    )


def still_being_created(jobs: tuple[JobView, ...], pods: tuple[PodView, ...]) -> bool:
    """Whether the missing Jobs were never created (a deleted one leaves pods behind), and no host has failed waiting for them."""
    return {pod.slice for pod in pods} <= {job.slice for job in jobs} and not any(pod.state == PodState.FAILED for pod in pods)
