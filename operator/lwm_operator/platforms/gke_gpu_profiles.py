"""Google's GPU machines with several network cards: GPUDirect over TCP (A3 High, A3 Mega) and over RDMA (A3 Ultra).

The annotations name Network objects of the cluster by the names in Google's guides. Google's installer DaemonSets put the libraries on the
nodes. The TCPXO and gIB plugins refuse NCCL settings that differ from those of their release, so a newer installer may need other values
(NVIDIA/aicr pull request 422). Set those in podTemplate.env.
"""

import json

from lwm_operator.platforms.profile import HostPath, Mount, Profile, Sidecar

REPOSITORY = "GoogleCloudPlatform/container-engine-accelerators@992db81"
GUIDE = "https://cloud.google.com/kubernetes-engine/docs/how-to/gpu-bandwidth-gpudirect-tcpx"
NATIVE = f"{REPOSITORY} gpudirect-tcpxo/best-practice.md (native sidecars)"
DAEMON = f"{REPOSITORY} gpudirect-tcpx/nccl-test-latest-autopilot.yaml (requests of the receive daemon)"

GPU_ACCELERATOR_LABEL = "cloud.google.com/gke-accelerator"
LIBRARIES = "/usr/local/nvidia/lib64"
DRIVER = HostPath("nvidia-libraries", "/home/kubernetes/bin/nvidia/lib64")
DRIVER_MOUNT = Mount(DRIVER.name, LIBRARIES, read_only=True)
# Mounted completely and writable, because the daemons tune the network cards through them.
SYS, PROC_SYS = HostPath("host-sys", "/sys"), HostPath("host-proc-sys", "/proc/sys")
TUNING = (Mount(SYS.name, "/hostsysfs"), Mount(PROC_SYS.name, "/hostprocsysfs"))

# Google's sample requests this for the daemon of TCPX and nothing for that of TCPXO. The limit leaves the daemon twice its request.
DAEMON_REQUESTS = {"cpu": "1", "memory": "2Gi"}
DAEMON_LIMITS = {"memory": "4Gi"}

GPUS = (*(f"/dev/nvidia{number}" for number in range(8)), "/dev/nvidiactl", "/dev/nvidia-uvm")
DATA_4 = ",".join(f"eth{card}" for card in range(1, 5))
DATA_8 = ",".join(f"eth{card}" for card in range(1, 9))


def _interfaces(networks: dict[str, str]) -> dict[str, str]:
    """Annotations for the network cards of the pod in addition to eth0, which stays the default."""
    interfaces = [{"interfaceName": card, "network": network} for card, network in {"eth0": "default", **networks}.items()]
    return {"networking.gke.io/default-interface": "eth0", "networking.gke.io/interfaces": json.dumps(interfaces)}


def _devices(container: str, paths: tuple[str, ...]) -> dict[str, str]:
    """Annotation with the devices of a container that requests no GPU: a YAML list."""
    return {f"devices.gke.io/container.{container}": "".join(f"- path: {path}\n" for path in paths)}


A3_HIGH = Profile(
    name="gke-a3-high",
    summary="a3-highgpu-8g: eight H100, four network cards, GPUDirect-TCPX",
    pod_security="privileged",
    reason="hostPath volumes; NET_ADMIN for the receive daemon; IPC_LOCK for the trainer",
    sources=(f"{REPOSITORY} gpudirect-tcpx/nccl-test-latest.yaml, nccl-config.yaml", NATIVE, DAEMON, GUIDE),
    annotations={**_interfaces({f"eth{card}": f"vpc{card}" for card in range(1, 5)}), **_devices("tcpx-daemon", GPUS)},
    volumes=(DRIVER, HostPath("tcpx-socket", "/run/tcpx"), SYS, PROC_SYS),
    mounts=(DRIVER_MOUNT, Mount("tcpx-socket", "/run/tcpx")),
    capabilities=("IPC_LOCK",),
    sidecars=(
        Sidecar(
            name="tcpx-daemon",
            image="us-docker.pkg.dev/gce-ai-infra/gpudirect-tcpx/tcpgpudmarxd-dev:v2.0.12",
            command=("/tcpgpudmarxd/build/app/tcpgpudmarxd",),
            args=(
                *("--gpu_nic_preset", "a3vm"),
                *("--gpu_shmem_type", "fd"),
                *("--uds_path", "/run/tcpx"),
                *("--setup_param", '"--verbose 128 2 0 "'),
            ),
            environment={"LD_LIBRARY_PATH": LIBRARIES},
            mounts=(DRIVER_MOUNT, Mount("tcpx-socket", "/run/tcpx"), *TUNING),
            capabilities=("NET_ADMIN",),
            requests=DAEMON_REQUESTS,
            limits=DAEMON_LIMITS,
        ),
    ),
    environment={
        "LD_LIBRARY_PATH": LIBRARIES,
        # The samples mount the socket at /tmp, the plugin's default. Training pods already have a volume there.
        "NCCL_GPUDIRECTTCPX_UNIX_CLIENT_PREFIX": "/run/tcpx",
        "NCCL_SOCKET_IFNAME": "eth0",
        "NCCL_GPUDIRECTTCPX_CTRL_DEV": "eth0",
        "NCCL_GPUDIRECTTCPX_SOCKET_IFNAME": DATA_4,
        "NCCL_GPUDIRECTTCPX_TX_BINDINGS": "eth1:8-21,112-125;eth2:8-21,112-125;eth3:60-73,164-177;eth4:60-73,164-177",
        "NCCL_GPUDIRECTTCPX_RX_BINDINGS": "eth1:22-35,126-139;eth2:22-35,126-139;eth3:74-87,178-191;eth4:74-87,178-191",
        "NCCL_GPUDIRECTTCPX_PROGRAM_FLOW_STEERING_WAIT_MICROS": "500000",
        "NCCL_ALGO": "Ring,Tree",
        "NCCL_BUFFSIZE": "4194304",
        "NCCL_CROSS_NIC": "0",
        "NCCL_DYNAMIC_CHUNK_SIZE": "524288",
        "NCCL_NET_GDR_LEVEL": "PIX",
        "NCCL_NSOCKS_PERTHREAD": "4",
        "NCCL_P2P_NET_CHUNKSIZE": "524288",
        "NCCL_P2P_NVL_CHUNKSIZE": "1048576",
        "NCCL_P2P_PCI_CHUNKSIZE": "524288",
        "NCCL_P2P_PXN_LEVEL": "0",
        "NCCL_PROTO": "Simple",
        "NCCL_SOCKET_NTHREADS": "1",
    },
    node_selectors={GPU_ACCELERATOR_LABEL: "nvidia-h100-80gb"},
)

A3_MEGA = Profile(
    name="gke-a3-mega",
    summary="a3-megagpu-8g: eight H100, eight network cards, GPUDirect-TCPXO",
    pod_security="privileged",
    reason="hostPath volumes; NET_ADMIN for the receive daemon",
    sources=(f"{REPOSITORY} gpudirect-tcpxo/nccl-test-latest.yaml, README.md (release of 2026-01-09)", NATIVE, DAEMON, GUIDE),
    annotations={
        **_interfaces({f"eth{card}": f"vpc{card}" for card in range(1, 9)}),
        **_devices("tcpxo-daemon", (*GPUS, "/dev/dmabuf_import_helper")),
    },
    volumes=(DRIVER, HostPath("aperture-devices", "/dev/aperture_devices"), SYS, PROC_SYS),
    mounts=(DRIVER_MOUNT, Mount("aperture-devices", "/dev/aperture_devices")),
    sidecars=(
        Sidecar(
            name="tcpxo-daemon",
            # This version belongs to the plugin release that the installer puts on the nodes.
            image="us-docker.pkg.dev/gce-ai-infra/gpudirect-tcpxo/tcpgpudmarxd-dev:v1.0.21",
            command=("/bin/sh", "-c"),
            args=("chmod 755 /fts/entrypoint_rxdm_container.sh && exec /fts/entrypoint_rxdm_container.sh --num_hops=2",),
            environment={"LD_LIBRARY_PATH": LIBRARIES},
            mounts=(DRIVER_MOUNT, *TUNING),
            capabilities=("NET_ADMIN", "NET_BIND_SERVICE"),
            requests=DAEMON_REQUESTS,
            limits=DAEMON_LIMITS,
        ),
    ),
    environment={
        "LD_LIBRARY_PATH": LIBRARIES,
        "NCCL_LIB_DIR": LIBRARIES,
        "NCCL_SOCKET_IFNAME": "eth0",
        "NCCL_FASTRAK_CTRL_DEV": "eth0",
        "NCCL_FASTRAK_IFNAME": DATA_8,
        "NCCL_FASTRAK_LLCM_DEVICE_DIRECTORY": "/dev/aperture_devices",
        "NCCL_FASTRAK_ENABLE_CONTROL_CHANNEL": "0",
        "NCCL_FASTRAK_ENABLE_HOTPATH_LOGGING": "0",
        "NCCL_FASTRAK_NUM_FLOWS": "2",
        "NCCL_FASTRAK_PLUGIN_ACCEPT_TIMEOUT_MS": "600000",
        "NCCL_FASTRAK_USE_LLCM": "1",
        "NCCL_FASTRAK_USE_SNAP": "1",
        "NCCL_BUFFSIZE": "8388608",
        "NCCL_CROSS_NIC": "0",
        "NCCL_MIN_NCHANNELS": "4",
        "NCCL_NET_GDR_LEVEL": "PIX",
        "NCCL_NVLSTREE_MAX_CHUNKSIZE": "131072",
        "NCCL_NVLS_ENABLE": "1",
        "NCCL_P2P_NET_CHUNKSIZE": "524288",
        "NCCL_P2P_NVL_CHUNKSIZE": "1048576",
        "NCCL_P2P_PCI_CHUNKSIZE": "524288",
        "NCCL_PROTO": "Simple,LL128",
        "NCCL_TUNER_PLUGIN": "libnccl-tuner.so",
        "NCCL_TUNER_CONFIG_PATH": f"{LIBRARIES}/a3plus_tuner_config.textproto",
        "NCCL_SHIMNET_GUEST_CONFIG_CHECKER_CONFIG_FILE": f"{LIBRARIES}/a3plus_guest_config.textproto",
    },
    node_selectors={GPU_ACCELERATOR_LABEL: "nvidia-h100-mega-80gb"},
)

GIB = "/usr/local/gib"

A3_ULTRA = Profile(
    name="gke-a3-ultra",
    summary="a3-ultragpu-8g: eight H200, eight RDMA cards, Google's gIB plugin of NCCL",
    pod_security="privileged",
    reason="hostPath volumes",
    sources=(
        f"{REPOSITORY} gpudirect-rdma/nccl-test.yaml, nccl-test-autopilot.yaml, nccl-rdma-installer.yaml",
        "AI-Hypercomputer/xpk@367c838 examples/nccl/nccl-a3ultra.sh (NCCL_NET)",
        "Google's guide to verl with Ray on GKE (hypercomputer_gpu_train_ray_verl): runtime-env.yaml, NCCL for H200",
    ),
    # eth1 is the second ordinary card, which training does not use.
    annotations=_interfaces({f"eth{card + 2}": f"rdma-{card}" for card in range(8)}),
    volumes=(HostPath("nvidia", "/home/kubernetes/bin/nvidia"), HostPath("gib", "/home/kubernetes/bin/gib")),
    mounts=(Mount("nvidia", "/usr/local/nvidia", read_only=True), Mount("gib", GIB, read_only=True)),
    environment={
        "LD_LIBRARY_PATH": f"{GIB}/lib64:{LIBRARIES}",
        "NCCL_NET": "gIB",
        "NCCL_CROSS_NIC": "0",
        "NCCL_IB_ADAPTIVE_ROUTING": "1",
        "NCCL_IB_FIFO_TC": "84",
        "NCCL_IB_QPS_PER_CONNECTION": "4",
        "NCCL_IB_TC": "52",
        "NCCL_NET_GDR_LEVEL": "PIX",
        "NCCL_NVLS_CHUNKSIZE": "524288",
        "NCCL_P2P_NET_CHUNKSIZE": "131072",
        "NCCL_TUNER_CONFIG_PATH": f"{GIB}/configs/tuner_config_a3u.txtpb",
    },
    node_selectors={GPU_ACCELERATOR_LABEL: "nvidia-h200-141gb"},
)
