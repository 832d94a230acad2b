# The ordinary image: software decoding, no GPU.
#
#	docker build -t reactorpipe .
#	docker run --rm -v "$PWD:/work" -p 8090:8090 -e REACTOR_API_KEY reactorpipe run pipeline.yaml
#
# It installs the .deb that scripts/dist makes, so the image and a Debian machine
# hold the same files.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY . .
RUN scripts/setup && scripts/dist

FROM debian:bookworm-slim
RUN --mount=type=bind,from=build,source=/src/dist,target=/dist \
    apt-get update \
    && apt-get install -y --no-install-recommends /dist/reactorpipe_*.deb \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /work reactorpipe
USER reactorpipe
WORKDIR /work
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["reactorpipe", "health"]
ENTRYPOINT ["reactorpipe"]
CMD ["run", "/usr/share/reactorpipe/quickstart.yaml"]
