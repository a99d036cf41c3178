# `just` lists what there is. Every line is one over cargo or scripts/; nothing needs just.

_default:
    @just --list

# Type-check, without the external log's C build.
check:
    cargo check --no-default-features --all-targets

# Every test and check, as CI runs them.
test *args:
    scripts/test.sh {{args}}

# One test by name.
test-one name:
    cargo test --all-targets {{name}}

lint:
    cargo clippy --all-targets --all-features -- -D warnings

fmt:
    cargo fmt --all

deny:
    cargo deny --all-features check bans licenses sources

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

bench:
    cargo bench

# Against PostgreSQL's own walsender, in alternation.
bench-walsender *work:
    scripts/bench_walsender.sh {{work}}

# Needs cargo-fuzz and a nightly toolchain.
fuzz name seconds="60":
    cd fuzz && cargo +nightly fuzz run {{name}} -- -max_total_time={{seconds}} -rss_limit_mb=512

# Capture Debezium's events again.
golden *args:
    scripts/golden_refresh.sh {{args}}

# The console, for the next build of the program; `npm --prefix console run dev` shows changes at once.
console:
    scripts/build_console.sh

demo:
    scripts/demo.sh

up *args:
    docker compose up {{args}}

down:
    docker compose down

ci:
    .ci/run
