# The gateway in one image: `mintgate core`, `mintgate http`, `mintgate migrate`, `mintgate up`.
# Everything is installed from the lock with its hashes, in a stage that is not shipped.

FROM python:3.11-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /srv/mintgate
COPY requirements/server.txt requirements/server.txt
RUN /srv/mintgate/bin/pip install --no-cache-dir --disable-pip-version-check \
    --no-deps --require-hashes -r requirements/server.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /srv/mintgate/bin/pip install --no-cache-dir --disable-pip-version-check \
    --no-deps --no-build-isolation .
COPY deploy/docker/ready.py /srv/mintgate/bin/mintgate-ready
RUN chmod 0755 /srv/mintgate/bin/mintgate-ready

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/mintgate --create-home \
    --shell /usr/sbin/nologin mintgate
COPY --from=build /srv/mintgate /srv/mintgate
ENV PATH=/srv/mintgate/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MINTGATE_HOST=0.0.0.0 \
    MINTGATE_DATA_DIR=/var/lib/mintgate/data
WORKDIR /var/lib/mintgate
USER 10001:10001
VOLUME /var/lib/mintgate
EXPOSE 8080 50051 9100 9101
STOPSIGNAL SIGTERM
ENTRYPOINT ["mintgate"]
CMD ["up"]
