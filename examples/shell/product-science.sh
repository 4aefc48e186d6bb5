#!/bin/sh
# Uploads an app and its instrumented twin to Product Science, as the two halves of one comparison.
# Needs `pip install git+https://github.com/OWNER/buildferry@v1`, and the token in PLUGIN_API_TOKEN.
set -eu
buildferry product-science deliver --project my-app \
    --artifacts 'app/build/outputs/apk/release/*.apk' >release.json
context=$(python3 -c 'import json; print(json.load(open("release.json"))["upload-context-id"])')
buildferry product-science upload --project my-app --build-type INSTRUMENTED_APK --upload-context-id "$context" \
    --artifacts 'app/build/outputs/apk/instrumented/*.apk' >instrumented.json
