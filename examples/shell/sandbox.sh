#!/bin/sh
set -eu
make sandbox
export PLUGIN_API_TOKEN=sandbox-token-app-distribution
.venv/bin/buildferry app-distribution deliver --service-url http://127.0.0.1:8642 --phase-id 7 --artifacts README.md
