import json
import re
from pathlib import Path

import pytest

from lwm_operator import platforms
from lwm_operator.api.quantity import parse_quantity
from lwm_operator.platforms.error import PlatformError
from lwm_operator.platforms.gke_tpu_families import GKE_TPU_FAMILIES
from lwm_operator.platforms.gpu import PROFILES, RESOURCE, profile
from lwm_operator.platforms.profile import Profile, Sidecar
from lwm_trainer.config import accelerator_families
from tools.docs import __main__
from tools.docs import platforms as platforms_page

ALL = list(PROFILES.values())


def containers(profile: Profile) -> list[Profile | Sidecar]:
    """The trainer's settings stand in the profile itself."""
    return [profile, *profile.sidecars]


@pytest.mark.parametrize("profile", ALL, ids=PROFILES)
def test_a_profile_claims_privileged_exactly_when_the_restricted_level_refuses_it(profile: Profile) -> None:
    added = {capability for container in containers(profile) for capability in container.capabilities}
    refused = bool(profile.volumes or profile.host_network or profile.sidecars or added - {"NET_BIND_SERVICE"})
    assert profile.pod_security == ("privileged" if refused else "restricted")
    assert profile.reason
    for capability in added - {"NET_BIND_SERVICE"}:
        assert capability in profile.reason
    assert ("hostPath" in profile.reason) == bool(profile.volumes)
    assert ("hostNetwork" in profile.reason) == profile.host_network


@pytest.mark.parametrize("profile", ALL, ids=PROFILES)
def test_a_profile_has_sources_that_name_a_page_or_a_repository(profile: Profile) -> None:
    assert profile.sources
    assert any(re.match(r"https://|[\w-]+/[\w-]+@[0-9a-f]{7} ", source) for source in profile.sources)


@pytest.mark.parametrize("profile", ALL, ids=PROFILES)
def test_every_mount_is_of_a_volume_of_the_profile_and_every_volume_is_mounted(profile: Profile) -> None:
    mounts = [mount for container in containers(profile) for mount in container.mounts]
    assert {mount.name for mount in mounts} == {volume.name for volume in profile.volumes}
    for container in containers(profile):
        paths = [mount.path for mount in container.mounts]
        assert len(set(paths)) == len(paths)
        assert "/tmp" not in paths


@pytest.mark.parametrize("profile", ALL, ids=PROFILES)
def test_a_profile_tolerates_the_taint_of_gpu_nodes_and_names_no_gpus_itself(profile: Profile) -> None:
    assert [(one.key, one.operator, one.effect) for one in profile.tolerations] == [("nvidia.com/gpu", "Exists", "NoSchedule")]
    assert RESOURCE == "nvidia.com/gpu"
    assert RESOURCE not in profile.resources
    assert profile.dns_policy == ("ClusterFirstWithHostNet" if profile.host_network else "ClusterFirst")


@pytest.mark.parametrize(
    ("name", "accelerator", "networks"),
    [
        ("gke-a3-high", "nvidia-h100-80gb", "default vpc1 vpc2 vpc3 vpc4"),
        ("gke-a3-mega", "nvidia-h100-mega-80gb", "default vpc1 vpc2 vpc3 vpc4 vpc5 vpc6 vpc7 vpc8"),
        ("gke-a3-ultra", "nvidia-h200-141gb", "default rdma-0 rdma-1 rdma-2 rdma-3 rdma-4 rdma-5 rdma-6 rdma-7"),
    ],
)
def test_googles_machines_get_all_their_network_cards(name: str, accelerator: str, networks: str) -> None:
    profile = PROFILES[name]
    assert profile.node_selectors == {"cloud.google.com/gke-accelerator": accelerator}
    cards = json.loads(profile.annotations["networking.gke.io/interfaces"])
    assert [card["network"] for card in cards] == networks.split()
    assert len({card["interfaceName"] for card in cards}) == len(cards)
    assert profile.annotations["networking.gke.io/default-interface"] == cards[0]["interfaceName"] == "eth0"
    # The cards in NCCL's settings exist in the pod.
    configured = [card for key, cards in profile.environment.items() if key.endswith("_IFNAME") for card in cards.split(",")]
    assert set(configured) <= {card["interfaceName"] for card in cards}


@pytest.mark.parametrize(("name", "daemon", "devices"), [("gke-a3-high", "tcpx-daemon", 10), ("gke-a3-mega", "tcpxo-daemon", 11)])
def test_a_receive_daemon_sees_the_eight_gpus_without_asking_for_any(name: str, daemon: str, devices: int) -> None:
    profile = PROFILES[name]
    assert [sidecar.name for sidecar in profile.sidecars] == [daemon]
    listed = profile.annotations[f"devices.gke.io/container.{daemon}"].splitlines()
    assert len(set(listed)) == len(listed) == devices
    assert [f"- path: /dev/nvidia{number}" for number in range(8)] == listed[:8]
    requested, limited = (parse_quantity(numbers["memory"]) for numbers in (profile.sidecars[0].requests, profile.sidecars[0].limits))
    assert requested is not None
    assert limited is not None
    assert requested <= limited
    assert re.fullmatch(r"us-docker\.pkg\.dev/gce-ai-infra/[\w/-]+:v\d+\.\d+\.\d+", profile.sidecars[0].image)


@pytest.mark.parametrize(("name", "adapters"), [("aws-efa", "1"), ("aws-efa-p5", "32")])
def test_elastic_fabric_adapters_come_with_huge_pages_under_the_restricted_level(name: str, adapters: str) -> None:
    assert profile(name).resources == {"vpc.amazonaws.com/efa": adapters, "hugepages-2Mi": "5120Mi"}
    assert profile(name).pod_security == "restricted"


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(PlatformError, match=r"^unknown GPU profile gke-a5: use one of gke-a3-high, gke-a3-mega, .*, host-network$"):
        profile("gke-a5")


def test_the_committed_page_shows_every_family_profile_and_small_topology() -> None:
    text = (__main__.ROOT / "docs" / "platforms.md").read_text()
    assert text == platforms_page.page()
    for family in GKE_TPU_FAMILIES.values():
        assert [
            row.name for row in family.topologies.values() if row.chips <= platforms_page.SHOWN and f"| `{row.name}` |" not in text
        ] == []
        assert f"### {family.name}\n" in text
    assert [name for name in PROFILES if f"| `{name}` |" not in text or f"### {name}\n" not in text] == []


def test_a_changed_page_of_platforms_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(__main__, "ROOT", tmp_path)
    assert __main__.main([]) == 0
    assert __main__.main(["--check"]) == 0
    changed = platforms_page.page().replace("ct5p-hightpu-4t", "ct5p-hightpu-9t")
    (tmp_path / "docs" / "platforms.md").write_text(changed)
    assert __main__.main(["--check"]) == 1
    assert "+| `2x2x1` | 4 | 1 | 4 | 4 | `ct5p-hightpu-4t`" in __main__.difference()


def test_the_tables_import_nothing_but_the_standard_library_and_the_families() -> None:
    families = Path(accelerator_families.__file__)
    tables = [
        families,
        *(path for path in Path(platforms.__file__).parent.glob("*.py") if path.stem not in ("devices", "gang", "overrides")),
    ]  # which read the spec
    lines = [line for path in tables for line in path.read_text().splitlines()]
    modules = {line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))}
    assert modules == {"lwm_operator", "lwm_trainer", "collections", "dataclasses", "itertools", "json", "math", "re", "types", "typing"}
    ours = {line.split()[1] for line in lines if line.startswith("from lwm_")}
    assert {module for module in ours if not module.startswith("lwm_operator.platforms")} == {accelerator_families.__name__}
