# Two images from one file: `operator` (no JAX) and `trainer` (no kubernetes package). Context: the repository's root.
# The trainer for TPU or GPU hosts: --target trainer --build-arg ACCELERATOR=tpu (or gpu).
# Not pinned here, because a digest ages with each security update of the base: pin the one that you have checked by
# --build-arg BASE=python:3.11-slim-bookworm@sha256:...
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS runtime
# HOME is a writable volume in the pod: the root file system is read-only there.
# USER is named because the uid has no entry in /etc/passwd, which kopf looks up.
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp USER=lwm PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# Bytecode is compiled here: without it a start imports for 18 s instead of 4.
ENV UV_PROJECT_ENVIRONMENT=/opt/venv UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_CACHE_DIR=/var/cache/uv \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
COPY pyproject.toml uv.lock ./

# uv is there for one step each: it stays out of the images, and a change of source runs neither step.
FROM runtime AS operator-packages
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
RUN python -m venv /tmp/uv && /tmp/uv/bin/pip install --quiet --no-cache-dir uv==0.13.9 \
    && /tmp/uv/bin/uv sync --quiet --frozen --no-dev --no-install-project --extra operator \
    && rm -rf /tmp/uv

FROM runtime AS trainer-packages
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
# cpu, gpu (CUDA 12) or tpu.
ARG ACCELERATOR=cpu
# Trackers of spec.trackers, such as "wandb mlflow": 20 to 60 MB each.
ARG TRACKERS=""
RUN case "$ACCELERATOR" in \
        cpu) extras="--extra serve --extra vision" ;; \
        gpu|tpu) extras="--extra serve --extra vision --extra $ACCELERATOR" ;; \
        *) echo "ACCELERATOR=$ACCELERATOR: use cpu, gpu or tpu" >&2; exit 64 ;; \
    esac \
    && for tracker in $TRACKERS; do extras="$extras --extra $tracker"; done \
    && python -m venv /tmp/uv && /tmp/uv/bin/pip install --quiet --no-cache-dir uv==0.13.9 \
    && /tmp/uv/bin/uv sync --quiet --frozen --no-dev --no-install-project $extras \
    && rm -rf /tmp/uv

FROM operator-packages AS operator
# Of the trainer, the operator knows the contract only.
COPY trainer/lwm_trainer/__init__.py /app/lwm_trainer/
COPY trainer/lwm_trainer/config /app/lwm_trainer/config
COPY operator/lwm_operator /app/lwm_operator
RUN python -m compileall -q /app
USER 65532:65532
ENTRYPOINT ["python", "-m", "lwm_operator"]

FROM trainer-packages AS trainer
COPY trainer/lwm_trainer /app/lwm_trainer
# Of the commands, only the server: python -m lwm_cli.serve.
COPY cli/lwm_cli/__init__.py cli/lwm_cli/generation_media.py cli/lwm_cli/generation_options.py cli/lwm_cli/serve.py \
    cli/lwm_cli/serve_model.py /app/lwm_cli/
COPY cli/lwm_cli/commands/__init__.py cli/lwm_cli/commands/failures.py cli/lwm_cli/commands/generation_options.py \
    cli/lwm_cli/commands/positive_number.py cli/lwm_cli/commands/run.py cli/lwm_cli/commands/serve.py /app/lwm_cli/commands/
RUN python -m compileall -q /app
USER 65532:65532
ENTRYPOINT ["python", "-m", "lwm_trainer"]
