# tap-xero as an image: docker build -t tap-xero . && docker run --rm tap-xero --demo
#
# The refresh token changes on every use, so the config (or token_file) must be in a folder that
# outlives the container and that user 1000 may write:
#   docker run --rm -v "$PWD/xero:/xero" tap-xero --config /xero/config.json
FROM python:3.12-slim

WORKDIR /src
COPY setup.py pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY tap_xero tap_xero
RUN pip install --no-cache-dir . && rm -rf /src \
    && useradd --uid 1000 --create-home tap

USER tap
WORKDIR /home/tap
ENTRYPOINT ["tap-xero"]
