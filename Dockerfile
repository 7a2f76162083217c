# One image for every role: the pipeline, the Prefect server and the MLflow server.
FROM python:3.11-slim-bookworm
WORKDIR /app
# What changes least comes first: torch, the other packages, our code.
COPY constraints.txt pyproject.toml README.md ./
COPY recipes recipes
# CPU by default; a CUDA host builds with --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir -c constraints.txt --index-url ${TORCH_INDEX} torch
ARG EXTRAS=server
# Without our code yet: a changed line of it does not fetch all packages again.
RUN pip install --no-cache-dir -c constraints.txt ".[${EXTRAS}]" && pip uninstall --yes webtext
COPY docker docker
COPY corpus corpus
COPY crawler crawler
COPY dedup dedup
COPY model model
COPY evaluation evaluation
COPY flows flows
RUN pip install --no-cache-dir --no-deps . \
 && useradd --create-home --uid 1000 webtext \
 && mkdir /cache /data && chown webtext /cache /data
USER webtext
ENTRYPOINT ["webtext"]
