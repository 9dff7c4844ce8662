import pytest

from lwm_operator.controller.settings import from_environment


def test_the_defaults_need_an_image_only() -> None:
    settings = from_environment({"LWM_TRAINER_IMAGE": "lwm-trainer:1"})
    assert (settings.trainer_image, settings.namespace, settings.watch_namespaces, settings.leader_election) == (
        "lwm-trainer:1",
        "default",
        (),
        True,
    )
    assert settings.read_nodes


def test_all_is_taken_from_the_environment() -> None:
    settings = from_environment(
        {
            "LWM_TRAINER_IMAGE": "x",
            "POD_NAMESPACE": "lwm-system",
            "POD_NAME": "me",
            "LWM_WATCH_NAMESPACES": "a, b,",
            "LWM_READ_NODES": "false",
            "LWM_FIXED_USER": "false",
            "LWM_LEADER_ELECTION": "false",
            "LWM_WORKERS": "9",
            "LWM_LOG_LEVEL": "debug",
        }
    )
    assert (settings.namespace, settings.identity, settings.watch_namespaces) == ("lwm-system", "me", ("a", "b"))
    assert not settings.read_nodes
    assert not settings.fixed_user
    assert (settings.leader_election, settings.workers, settings.log_level) == (False, 9, "DEBUG")


def test_the_lease_is_in_the_operators_namespace_unless_it_is_named() -> None:
    image = {"LWM_TRAINER_IMAGE": "x", "POD_NAMESPACE": "lwm-system"}
    settings = from_environment(image)
    assert (settings.lease_namespace, settings.lease_name) == ("lwm-system", "lwm-operator")
    settings = from_environment(image | {"LWM_LEASE_NAMESPACE": "default", "LWM_LEASE_NAME": "lwm-leader"})
    assert (settings.lease_namespace, settings.lease_name) == ("default", "lwm-leader")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LWM_TRAINER_IMAGE", ""),
        ("LWM_WORKERS", "many"),
        ("LWM_WORKERS", "0"),
        ("LWM_HEALTH_PORT", "65536"),
        ("LWM_METRICS_PORT", "-1"),
        ("LWM_LEADER_ELECTION", "ture"),
        ("LWM_READ_NODES", ""),
        ("LWM_WATCH_NAMESPACES", "team-a team-b"),
        ("LWM_WATCH_NAMESPACES", "Team-A"),
    ],
)
def test_errors_name_the_variable(variable: str, value: str) -> None:
    with pytest.raises(ValueError, match=variable):
        from_environment({"LWM_TRAINER_IMAGE": "x", variable: value})
