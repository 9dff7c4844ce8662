from dataclasses import replace

import kubernetes_validate

from lwm_operator.manifests.job import jobs
from unit.lwm_operator.manifests.attempt_manifests import job, pod, run


def test_the_job_never_retries_by_itself_and_stays_as_evidence() -> None:
    manifest = job(run())
    assert manifest["metadata"]["annotations"].pop("lwm.dev/run-config")
    assert manifest["metadata"]["annotations"] == {"lwm.dev/template": "t", "lwm.dev/slices": "1", "lwm.dev/first-host": "0"}
    spec = manifest["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"], spec["backoffLimitPerIndex"]) == ("Indexed", 2, 2, 0)
    # A limit for the whole Job, or a policy that fails it, would end the survivors before they have spoken.
    assert not {"backoffLimit", "maxFailedIndexes", "podFailurePolicy", "ttlSecondsAfterFinished", "activeDeadlineSeconds"} & set(spec)
    assert spec["template"]["metadata"]["labels"]["lwm.dev/attempt"] == "3"


def test_avoided_nodes_are_excluded_by_name_each_by_a_requirement_of_its_own() -> None:
    avoiding = job(replace(run(), avoided_nodes=("node1", "node2")))["spec"]["template"]["spec"]
    terms = avoiding["affinity"]["nodeAffinity"]
    assert terms["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"] == [
        {"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": [node]} for node in ("node1", "node2")]}
    ]
    assert "affinity" not in pod()


def test_a_slice_of_several_hosts_avoids_node_pools_and_stays_in_one() -> None:
    v5p = {"accelerator": {"type": "tpu", "tpu": {"family": "v5p", "topology": "2x2x2"}}}
    manifest = job(replace(run(**v5p), avoided_node_pools=("pool-a", "pool-b")))
    affinity = manifest["spec"]["template"]["spec"]["affinity"]
    assert affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"] == [
        {"matchExpressions": [{"key": "cloud.google.com/gke-nodepool", "operator": "NotIn", "values": ["pool-a", "pool-b"]}]}
    ]
    assert affinity["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    kubernetes_validate.validate(manifest, "1.37", strict=True)


def test_with_a_queue_the_job_starts_suspended_and_only_the_job_has_the_label() -> None:
    queued, plain = job(run(execution={"queueName": "team"})), job(run())
    assert (queued["metadata"]["labels"]["kueue.x-k8s.io/queue-name"], queued["spec"]["suspend"]) == ("team", True)
    assert queued["spec"]["template"]["metadata"]["labels"] == plain["spec"]["template"]["metadata"]["labels"]
    assert "suspend" not in plain["spec"]
    assert not any("kueue" in label for label in plain["metadata"]["labels"])
    kubernetes_validate.validate(queued, "1.37", strict=True)


def test_jobs_of_several_slices_are_held_and_a_single_one_is_not() -> None:
    several = {
        "accelerator": {"type": "tpu", "tpu": {"family": "v6e", "topology": "2x2", "slices": 2}},
    }
    for manifest in jobs(run(**several)):
        assert (manifest["spec"]["suspend"], manifest["metadata"]["annotations"]["lwm.dev/held"]) == (True, "true")
        assert "lwm.dev/held" not in manifest["spec"]["template"]["metadata"]["annotations"]
        kubernetes_validate.validate(manifest, "1.37", strict=True)
    assert "suspend" not in job(run())["spec"]


def test_priority_class_and_scheduler_are_those_of_the_spec() -> None:
    spec = pod(execution={"priorityClassName": "high", "schedulerName": "kai"})
    assert (spec["priorityClassName"], spec["schedulerName"]) == ("high", "kai")
    assert not {"priorityClassName", "schedulerName"} & set(pod())
