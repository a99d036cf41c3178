# Builds the program in one stage and keeps it alone in the next: no compiler, no shell work, no root.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc g++ make perl pkg-config libssl-dev zlib1g-dev
WORKDIR /src
COPY . .
RUN cargo build --release --locked

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates libssl3 zlib1g curl \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --home-dir /data --create-home rowfeed
COPY --from=build /src/target/release/rowfeed /usr/local/bin/rowfeed
USER rowfeed
VOLUME /data
EXPOSE 9092 8083
# Nobody reaches these ports from outside the container unless they are published: publish them on loopback.
ENV ROWFEED_DATA_DIR=/data ROWFEED_HTTP_LISTEN=0.0.0.0:8083 ROWFEED_HTTP_AUTH=none \
    ROWFEED_KAFKA_LISTEN=0.0.0.0:9092 ROWFEED_KAFKA_AUTH=none ROWFEED_KAFKA_ADVERTISED=localhost:9092 \
    ROWFEED_CONNECTORS_DIR=/etc/rowfeed/connectors
HEALTHCHECK --interval=5s --timeout=2s CMD ["curl", "-fsS", "http://127.0.0.1:8083/readyz"]
ENTRYPOINT ["rowfeed"]
CMD ["run"]
