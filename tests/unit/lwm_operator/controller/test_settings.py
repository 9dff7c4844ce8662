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
            "LWM_LEADER_ELECTION": "false",
            "LWM_WORKERS": "9",
            "LWM_LOG_LEVEL": "debug",
        }
    )
    assert (settings.namespace, settings.identity, settings.watch_namespaces) == ("lwm-system", "me", ("a", "b"))
    assert not settings.read_nodes
    assert (settings.leader_election, settings.workers, settings.log_level) == (False, 9, "DEBUG")


@pytest.mark.parametrize(("variable", "value"), [("LWM_TRAINER_IMAGE", ""), ("LWM_WORKERS", "many")])
def test_errors_name_the_variable(variable: str, value: str) -> None:
    with pytest.raises(ValueError, match=variable):
        from_environment({"LWM_TRAINER_IMAGE": "x", variable: value})
