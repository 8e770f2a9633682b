# Two images from one file: `--target engine` is what Jobs run, `--target operator` reconciles.
# Any Debian-based image with Python 3.11 or later serves as the base:
#   docker build --target engine --build-arg BASE_IMAGE=python:3.13-slim-bookworm -t backup-manager/engine .
ARG BASE_IMAGE=python:3.13-slim-bookworm

FROM ${BASE_IMAGE} AS build
WORKDIR /build
COPY pyproject.toml README.md ./
COPY operator operator
RUN python3 -m venv /opt/backup-manager \
 && /opt/backup-manager/bin/pip install --no-cache-dir --require-hashes -r operator/requirements.lock \
 && /opt/backup-manager/bin/pip install --no-cache-dir --no-deps .

FROM ${BASE_IMAGE} AS base
COPY --from=build /opt/backup-manager /opt/backup-manager
ENV PATH=/opt/backup-manager/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
WORKDIR /tmp

FROM base AS operator
ENTRYPOINT ["backup-manager", "operator"]

FROM base AS engine
ENTRYPOINT ["backup-manager", "worker"]
