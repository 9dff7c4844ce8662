"""Everything that one attempt needs beside its Job, in the order in which it is made."""

from lwm_operator.manifests.common import Manifest, Run
from lwm_operator.manifests.rbac import lease, role, role_binding, service_account
from lwm_operator.manifests.run_config import config_map
from lwm_operator.manifests.service import service


def companions(run: Run) -> tuple[Manifest, ...]:
    """What is applied before the Job is created."""
    account = service_account(run)
    return (
        service(run.training),
        config_map(run),
        lease(run),
        *((account,) if account is not None else ()),
        role(run),
        role_binding(run),
    )
