#!/usr/bin/env bash
exec bash -euo pipefail -c "${content:?}"
