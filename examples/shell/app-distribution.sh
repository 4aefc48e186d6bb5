#!/bin/sh
# Delivers an app to App Distribution.
# Needs `pip install git+https://github.com/OWNER/buildferry@v1`, and the token in PLUGIN_API_TOKEN.
set -eu
buildferry app-distribution deliver \
    --service-url https://dist.example.com \
    --phase-id 7 \
    --artifacts 'app/build/outputs/**/*.apk' >result.json
echo "build $(python3 -c 'import json; print(json.load(open("result.json"))["build-id"])')"
