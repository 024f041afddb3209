#!/bin/sh
# What `trimaran chaos run -b localhost:9092 --hooks deploy/chaos-hooks.sh` strikes the compose cluster with, and an example for
# a cluster of your own: "can" prints the faults, then comes a fault or its remedy with the id of a node.
#
#   TRIMARAN_TEST_FAULTS=true docker-compose -f deploy/docker-compose.yml up -d
#   trimaran chaos run --scenario partition -b localhost:9092,localhost:9093,localhost:9094 --hooks deploy/chaos-hooks.sh
#
# `kill` is kill -9: the process dies, what it wrote is still in the page cache of the host. To cut power means that what was
# not synced is gone; no container can do that to its host, so the node does it to its own files, if it was started with
# KAFKA_TEST_FAULTS=true. The same goes for a disk that is slow or full.
set -eu

deed="$1"
container="${TRIMARAN_CONTAINER_PREFIX:-trimaran-}${2:-1}"
remembered="${TMPDIR:-/tmp}/chaos-hooks-$container.network"

fault() {
  docker exec "$container" node -e \
    "fetch('http://127.0.0.1:8080/faults/$1', { method: 'POST' }).then(r => process.exit(r.ok ? 0 : 1))"
}

until_gone() {
  for _ in $(seq 100); do
    [ "$(docker inspect --format '{{.State.Running}}' "$container")" = false ] && return 0
    sleep 0.2
  done
  echo "$container is still there after $deed" >&2
  return 1
}

case "$deed" in
  can)
    echo kill stop pause unplug
    if docker exec "$container" printenv KAFKA_TEST_FAULTS 2>/dev/null | grep -qx true; then
      echo slow-disk fill-disk cut-power
    fi
    ;;
  kill) docker kill "$container" ;;
  stop) docker stop "$container" ;;
  start) docker start "$container" ;;
  pause) docker pause "$container" ;;
  resume) docker unpause "$container" ;;
  unplug)
    docker inspect --format '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}' "$container" >"$remembered"
    docker network disconnect "$(cat "$remembered")" "$container"
    ;;
  reconnect) docker network connect --alias "$container" "$(cat "$remembered")" "$container" ;;
  slow-disk) fault 'slow-disk?ms=300' ;;
  repair-disk) fault repaired-disk ;;
  fill-disk) fault full-disk && until_gone ;;
  # It dies in the middle of the answer.
  cut-power) fault power-cut || true; until_gone ;;
  *) echo "$0 does not know $deed" >&2; exit 2 ;;
esac
