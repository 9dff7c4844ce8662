"""`lwm-operator` and `python -m lwm_operator`: in a pod with the service account's rights, elsewhere with those of KUBECONFIG."""

import sys

from lwm_trainer.config.command_line import parse_no_options
from lwm_trainer.config.extras import require_extra

HELP = """The LWM operator: watches LWMTraining resources and runs their stages as gangs of pods.
In a pod it uses its service account, elsewhere the kubeconfig. The Helm chart sets these environment variables:

  LWM_TRAINER_IMAGE     image for trainings that name none (required)
  POD_NAMESPACE         namespace of the operator (default: default)
  POD_NAME              identity in leader election (default: host name and process ID)
  LWM_WATCH_NAMESPACES  namespaces to watch, separated by commas (default: all)
  LWM_READ_NODES        whether the account may read nodes (default: true)
  LWM_FIXED_USER        whether training pods run as user 65532, and not as one that the platform assigns (default: true)
  LWM_LEADER_ELECTION   whether to take part in leader election (default: true)
  LWM_LEASE_NAMESPACE   namespace of the leader election Lease (default: POD_NAMESPACE)
  LWM_LEASE_NAME        its name; operators that watch the same namespaces share one (default: lwm-operator)
  LWM_WORKERS           trainings that are reconciled at the same time (default: 4)
  LWM_LOG_LEVEL         DEBUG, INFO, WARNING or ERROR (default: INFO)
  LWM_HEALTH_PORT       port of /healthz (default: 8080)
  LWM_METRICS_PORT      port of /metrics (default: 9090)
  KUBECONFIG            kubeconfig outside a pod (default: ~/.kube/config)

Exit codes: 0 it was told to stop; 1 an error, for example a missing extra; 64 a wrong option or variable."""


def main() -> int:
    """Return the exit code of the process."""
    parse_no_options("lwm-operator", HELP)
    require_extra("lwm-operator", "operator", "kopf", "kubernetes", "prometheus_client", "structlog")
    from lwm_operator.controller.kopf_process import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
