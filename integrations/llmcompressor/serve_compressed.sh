#!/bin/sh
# Serves a compressed model in vLLM with HSD: serve_compressed.sh DIR [further options of vllm serve]
# Runs where vLLM is installed; PYTHON=... names that environment's Python.
set -eu
if [ $# -eq 0 ]; then
    echo "usage: serve_compressed.sh DIR [options of vllm serve]" >&2
    exit 2
fi
model=$1
shift
PYTHON=${PYTHON:-python}
LD_PRELOAD=$("$PYTHON" -m hola_plugins.cli preload)
export LD_PRELOAD
exec "$PYTHON" -m vllm.entrypoints.openai.api_server \
    --config "$(dirname "$0")/serve_compressed.yaml" --model "$model" "$@"
