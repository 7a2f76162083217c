# One image for every role: the pipeline, the Prefect server and the MLflow server.
FROM python:3.11-slim-bookworm
WORKDIR /app
COPY constraints.txt pyproject.toml README.md ./
COPY corpus corpus
COPY crawler crawler
COPY dedup dedup
COPY model model
COPY evaluation evaluation
COPY flows flows
COPY recipes recipes
# CPU by default; a CUDA host builds with --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir -c constraints.txt --index-url ${TORCH_INDEX} torch \
 && pip install --no-cache-dir -c constraints.txt . asyncpg psycopg2-binary
RUN useradd --create-home webtext && mkdir /data && chown webtext /data
USER webtext
ENTRYPOINT ["webtext"]
