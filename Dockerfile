# Builds the console and the program in a stage each and keeps the program alone in the last: no compiler, no shell work, no root.
FROM node:22-bookworm-slim AS console
WORKDIR /src/console
COPY console/package.json console/package-lock.json ./
RUN npm ci
COPY docs/openapi.json /src/docs/openapi.json
COPY console .
RUN npm run build

FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc g++ make perl pkg-config libssl-dev zlib1g-dev
WORKDIR /src
COPY . .
COPY --from=console /src/console/dist console/dist
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    touch build.rs && cargo build --release --locked && strip --strip-debug -o /rowfeed target/release/rowfeed

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates libssl3 zlib1g \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o 65532 -g 65532 -m 700 /data && install -d /etc/rowfeed/connectors
COPY --from=build /rowfeed /usr/local/bin/rowfeed
# A number, so that Kubernetes' runAsNonRoot can see that it is not root.
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 9092 8083
# Nobody reaches these ports from outside the container unless they are published: publish them on loopback.
ENV ROWFEED_DATA_DIR=/data ROWFEED_HTTP_LISTEN=0.0.0.0:8083 ROWFEED_HTTP_AUTH=none \
    ROWFEED_KAFKA_LISTEN=0.0.0.0:9092 ROWFEED_KAFKA_AUTH=none ROWFEED_KAFKA_ADVERTISED=localhost:9092 \
    ROWFEED_CONNECTORS_DIR=/etc/rowfeed/connectors
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s CMD ["rowfeed", "ready"]
ENTRYPOINT ["rowfeed"]
CMD ["run"]
