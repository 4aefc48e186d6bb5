#!/bin/sh
# Starts a Bitrise build, follows it with its log, and fetches what it made.
# Needs `pip install git+https://github.com/OWNER/buildferry@v1`, and the token in PLUGIN_API_TOKEN.
set -eu
trap 'buildferry bitrise cleanup >/dev/null || :' EXIT # aborts what a killed run could not abort itself
buildferry bitrise create-build --app-id f46e89061e967f27 --workflow release --environment FLAVOUR=beta \
    --wait --timeout 90m --log stream >build.json
build=$(python3 -c 'import json; print(json.load(open("build.json"))["build-id"])')
buildferry bitrise download --app-id f46e89061e967f27 --build-id "$build" --match '*.apk' \
    --output-directory apks >files.json
