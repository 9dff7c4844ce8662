"""`lwm-operator` and `python -m lwm_operator`: in a pod with the service account's rights, elsewhere with those of KUBECONFIG."""

import sys

from lwm_trainer.config.extras import require_extra


def main() -> int:
    """Return the exit code of the process."""
    require_extra("lwm-operator", "operator", "kopf", "kubernetes", "prometheus_client", "structlog")
    from lwm_operator.controller.kopf_process import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
