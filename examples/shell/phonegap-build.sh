#!/bin/sh
# Has PhoneGap Build make the packages of an app, and fetches them.
# Needs `pip install git+https://github.com/OWNER/buildferry@v1`, and the password in PLUGIN_PASSWORD.
set -eu
git archive --output app.zip HEAD www config.xml
buildferry phonegap-build deliver --username user@example.com --title 'My app' --artifacts app.zip \
    --platforms android --output-directory packages --timeout 30m >result.json
