#!/usr/bin/env bash
# check_deploy.sh  - the files one deploys with, against the rules of those who read them: docker-compose.yml against the
# Compose specification's schema, the Helm chart rendered with several values and what comes out against Kubernetes' own
# schemas, the systemd unit by systemd where there is one. Nothing is deployed. About ten seconds; the first time a minute.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/needs.sh"
need python3 python3
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
need golang-go go
install_missing
tools=.cache/deploy
# Made anew where the folder was moved: its programs know where they were.
if ! { "$tools/bin/check-jsonschema" --version && "$tools/bin/kubernetes-validate" --version; } >/dev/null 2>&1; then
  rm -rf "$tools"
  python3 -m venv "$tools"
  "$tools/bin/pip" install -q check-jsonschema==0.39.0 kubernetes-validate==1.37.0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$tools/bin/check-jsonschema" --builtin-schema vendor.compose-spec docker-compose.yml examples/*/compose.yml >"$work/said" || { cat "$work/said"; exit 1; }

(cd scripts/chart && go build -o "$work/chart" .)
cat >"$work/full.yaml" <<'YAML'
image: { tag: "1.2.3" }
imagePullSecrets: [{ name: registry }]
connectors:
  shop.toml: |
    url = "postgres://cdc@db/shop"
    password = "${directory:/etc/rowfeed/secrets:db_password}"
  users.json: |
    { "connector.class": "io.debezium.connector.postgresql.PostgresConnector" }
secretName: passwords
settings: { ROWFEED_LOG_RETENTION: 3d }
advertised: kafka.example.com:9092
httpAuth: token
networkPolicy: { clientLabels: { team: "data" }, prometheusNamespace: monitoring }
persistence: { size: 100Gi, storageClass: fast }
resources: { limits: { cpu: "1" } }
nodeSelector: { disk: ssd }
tolerations: [{ key: dedicated, operator: Equal, value: cdc, effect: NoSchedule }]
affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key: zone, operator: In, values: [a] }] }] } } }
podAnnotations: { example.com/owner: data }
serviceMonitor: { enabled: true, labels: { release: prometheus }, tokenSecret: metrics-token }
prometheusRule: { enabled: true, labels: { release: prometheus } }
YAML
printf 'networkPolicy: { enabled: false }\n' >"$work/open.yaml"
"$work/chart" deploy/helm/rowfeed >"$work/default.out"
for values in full open; do
  "$work/chart" deploy/helm/rowfeed "$work/$values.yaml" >"$work/$values.out"
done
# The Prometheus operator's kinds are not Kubernetes' own: those are checked as far as they are YAML.
python3 - "$work" default full open <<'PY'
import pathlib, re, sys
work, names = pathlib.Path(sys.argv[1]), sys.argv[2:]
for name in names:
    documents = [one for one in re.split(r"(?m)^---$", (work / f"{name}.out").read_text()) if one.strip()]
    kinds = [re.search(r"(?m)^kind: (\w+)", one).group(1) for one in documents]
    expected = {"StatefulSet", "Service", "ConfigMap"}
    expected |= {"NetworkPolicy"} if name != "open" else set()
    expected |= {"ServiceMonitor", "PrometheusRule"} if name == "full" else set()
    assert set(kinds) == expected and len(kinds) == len(expected), (name, kinds)
    for kind, one in zip(kinds, documents):
        if kind not in ("ServiceMonitor", "PrometheusRule"):
            (work / f"{name}-{kind}.yaml").write_text(one)
PY
for version in 1.25 1.37; do
  "$tools/bin/kubernetes-validate" --strict --quiet --no-warn -k "$version" "$work"/*-*.yaml >"$work/said" 2>&1 || { cat "$work/said"; exit 1; }
done

# systemd asks whether the program is there: here it need not be.
if command -v systemd-analyze >/dev/null; then
  sed 's#/usr/local/bin/rowfeed#/bin/true#' deploy/systemd/rowfeed.service >"$work/rowfeed.service"
  systemd-analyze verify "$work/rowfeed.service" >"$work/said" 2>&1 || { cat "$work/said"; exit 1; }
  # A name that it does not know is no error to it.
  if grep rowfeed.service "$work/said"; then exit 1; fi
fi
echo "compose, chart and unit are well"
