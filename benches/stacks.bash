# shellcheck shell=bash disable=SC2034,SC2154 # Sourced by scripts/bench, with which it shares variables.
# MPIM in each of its shapes, on free ports, and the servers of a cluster.

readonly servers=(--dir "$out/deps" --zookeeper-port 32181 --mariadb-port 33306 --redis-port 36379)
servers_up() { scripts/deps up "${servers[@]}" "$@" >"$work/deps.log" 2>&1 || { cat "$work/deps.log" >&2; return 1; }; }

# embedded VARIABLE...: `mpim` on free ports; `addr` is then where it takes text lines, `frames` and
# `http` where it takes those.
embedded() {
  local any=127.0.0.1:0
  start "$work/mpim.log" 'Ctrl-C' env \
    MPIM_USER__RPC__LISTEN=$any MPIM_MESSAGE__RPC__LISTEN=$any MPIM_PRESENCE__RPC__LISTEN=$any \
    MPIM_GROUP__RPC__LISTEN=$any MPIM_GATEWAY__RPC__LISTEN=$any MPIM_GATEWAY__TEXT__LISTEN=$any \
    MPIM_GATEWAY__FRAMES__LISTEN=$any MPIM_GATEWAY__HTTP__LISTEN=$any \
    MPIM_ADMIN__LISTEN=$any "$@" "$bin/mpim" --data-dir "$work/mpim"
  addr=$(awk '$1 == "text" && $2 == "lines" { print $3 }' "$work/mpim.log")
  frames=$(awk '$1 == "frames" { print $2 }' "$work/mpim.log") http=$(awk '$1 == "HTTP" { print $2 }' "$work/mpim.log")
}

# instance NAME: one of the five on the real servers; says how long it took until it served.
instance() {
  local name=$1 log=$work/cluster-$1.log began=${EPOCHREALTIME/./}
  start "$log" '"serving"' env MPIM_RPC__LISTEN=127.0.0.1:0 MPIM_ADMIN__LISTEN=127.0.0.1:0 \
    MPIM_ZOOKEEPER__HOSTS=127.0.0.1:32181 MPIM_ZOOKEEPER__SNAPSHOT_DIR= "${@:2}" "$bin/$name" -i "conf/cluster/$name.toml"
  printf '%s %s\n' "$name" $(((${EPOCHREALTIME/./} - began) / 1000)) >>"$work/ready"
}

# service NAME VARIABLE...: starts one of the five on a free port; `target` is then where it takes calls.
service() {
  local name=$1 log=$work/$1.log
  shift
  start "$log" '"serving"' env MPIM_RPC__LISTEN=127.0.0.1:0 MPIM_ADMIN__LISTEN=127.0.0.1:0 "$@" "$bin/$name"
  target=static://$(value addr "$(grep '"mprpc"' "$log")")
}
