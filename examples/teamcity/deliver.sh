#!/bin/sh
# A Command Line step of TeamCity, `sh ci/deliver.sh`: delivers an app to App Distribution.
# Needs git and Python 3.10 or newer on the agent, and the token in the parameter env.PLUGIN_API_TOKEN (type: Password).
set -eu
tool=$(mktemp -d) # in the build's temporary folder, which the agent empties
git clone --quiet --depth 1 --branch v1 https://github.com/OWNER/buildferry.git "$tool"
sh "$tool/plugin/launch.sh" app-distribution deliver --service-url https://dist.example.com --phase-id 7 \
    --artifacts 'app/build/outputs/**/*.apk' >deliver.json
# Sets parameters for the steps after this one. |0x… stands for any character that could end the value, and with %% it
# names no other parameter.
python3 -c '
import json, re

def escaped(found):
    return re.sub("....", r"|0x\g<0>", found[0].encode("utf-16-be").hex())

def set_parameter(name, text):
    text = re.sub("[^A-Za-z0-9 ._/-]", escaped, text.replace("%", "%%"))
    print(f"##teamcity[setParameter name=\x27{name}\x27 value=\x27{text}\x27]")

known = json.load(open("deliver.json"))
set_parameter("env.BUILDFERRY_BUILD_ID", known["build-id"])
set_parameter("env.BUILDFERRY_STATUS", known["status"])
set_parameter("env.BUILDFERRY_ARTIFACT_IDS", "\n".join(known["artifact-ids"]))
'
