#!/bin/sh
# Distributes an app to testers through Bitrise Release Management.
# Needs `pip install git+https://github.com/OWNER/buildferry@v1`, and the token in PLUGIN_API_TOKEN.
set -eu
buildferry bitrise-release-management deliver --workspace workspace1 --app-package com.example.app \
    --artifacts 'app/build/outputs/**/*.apk' --what-to-test git --public-page true --tester-groups QA >result.json
