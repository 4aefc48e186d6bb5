#!/bin/sh
# Uploads an app to Bitrise Release Management.
# Needs `pip install git+https://github.com/OWNER/buildferry@v1`, and the token in PLUGIN_API_TOKEN.
set -eu
buildferry bitrise-release-management upload --workspace workspace1 --app-package com.example.app \
    --artifacts 'app/build/outputs/**/*.apk' >result.json
