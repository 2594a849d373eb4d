# Two stages: the first makes a virtual environment from the lock file, the second has that and nothing else of it.
#
#   docker build -t steer .
#   docker run -p 443:443 -p 80:80 -v ./config:/etc/steer:ro -v steer-state:/var/lib/steer steer
#
# The configuration is /etc/steer/steer.yaml; say `edge: {state: /var/lib/steer}` in it, so that what operators set
# outlives the container.

FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/steer && /opt/steer/bin/pip install --quiet --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY steer ./steer
RUN /opt/steer/bin/pip install --quiet --no-build-isolation --no-deps .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/steer steer
COPY --from=build /opt/steer /opt/steer
USER 10001
WORKDIR /var/lib/steer
VOLUME /var/lib/steer
EXPOSE 80 443 9900
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/opt/steer/bin/steer", "ping"]
ENTRYPOINT ["/opt/steer/bin/steer"]
CMD ["run", "/etc/steer/steer.yaml"]
