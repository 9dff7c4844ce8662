import jax
import pytest

from lwm_trainer.config import ExitCode, Gang
from lwm_trainer.config.runtime_flags import runtime_environment
from lwm_trainer.parallel import devices


def gang(platform: str = "tpu", slices: int = 1, hosts: int = 1, devices: int = 8) -> Gang:
    return Gang.model_validate(
        {
            "job": "t-s1-a1",
            "service": "t",
            "slices": slices,
            "hosts": hosts,
            "devicesPerHost": devices,
            "platform": platform,
            "coordinator": "x:1",
        }
    )


def test_the_hosts_of_a_slice_know_each_other_and_their_number_in_it() -> None:
    assert devices.tpu_variables(gang(hosts=2), 1) == {"TPU_WORKER_ID": "1", "TPU_WORKER_HOSTNAMES": "t-s1-a1-0.t,t-s1-a1-1.t"}
    second = devices.tpu_variables(gang(slices=2, hosts=4), 3)
    assert second == {"TPU_WORKER_ID": "1", "TPU_WORKER_HOSTNAMES": "t-s1-a1-x1-0.t,t-s1-a1-x1-1.t"}


@pytest.mark.parametrize("slices", [1, 4])
def test_a_slice_of_one_host_looks_for_nobody(slices: int) -> None:
    variables = devices.tpu_variables(gang(slices=slices, hosts=slices), slices - 1)
    assert variables == {"TPU_WORKER_ID": "0", "TPU_WORKER_HOSTNAMES": "localhost"}


@pytest.mark.parametrize("platform", ["gpu", "tpu"])
def test_an_image_for_something_else_is_told_so(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(devices.RUNTIMES, platform, "no_such_runtime")
    with pytest.raises(
        devices.PlatformMissingError, match=f"no no_such_runtime: use one built with --build-arg ACCELERATOR={platform}"
    ) as raised:
        devices.prepare(gang(platform), 0)
    assert raised.value.code == ExitCode.BAD_CONFIG


def test_a_gpu_host_has_the_flags_of_its_platform_before_jax_looks_for_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax.config, "update", lambda *_: None)
    monkeypatch.setitem(devices.RUNTIMES, "gpu", "jax")
    environment = {"XLA_FLAGS": "--xla_dump_to=/tmp"}
    monkeypatch.setattr("os.environ", environment)
    devices.prepare(gang("gpu"), 0)
    assert environment == {"XLA_CLIENT_MEM_FRACTION": "0.9"} | {
        "XLA_FLAGS": f"{runtime_environment('gpu', {})['XLA_FLAGS']} --xla_dump_to=/tmp"
    }


def test_a_gang_of_tpu_hosts_rehearses_on_cpu_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    updates: dict[str, object] = {}
    monkeypatch.setattr(jax.config, "update", updates.__setitem__)
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    devices.prepare(gang(devices=4), 0)
    assert updates == {"jax_platforms": "cpu", "jax_num_cpu_devices": 4}


def test_a_host_with_too_few_devices_is_named_and_tried_elsewhere() -> None:
    devices.check(gang(devices=jax.local_device_count()))
    with pytest.raises(devices.DevicesMissingError, match="JAX finds 8 devices on this host instead of 9") as raised:
        devices.check(gang(devices=9))
    assert raised.value.code == ExitCode.TRANSIENT


def test_a_driver_that_does_not_answer_is_told_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> int:
        raise RuntimeError("Unable to initialize backend 'tpu'\nand more")

    monkeypatch.setattr(jax, "local_device_count", fails)
    with pytest.raises(
        devices.DevicesMissingError, match=r"finds 0 devices on this host instead of 8 \(Unable to initialize backend 'tpu'\)"
    ):
        devices.check(gang())
