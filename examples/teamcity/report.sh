#!/bin/sh
# A later Command Line step of TeamCity, `sh ci/report.sh`: uses what deliver.sh has set.
set -eu
echo "build $BUILDFERRY_BUILD_ID is $BUILDFERRY_STATUS"
echo "$BUILDFERRY_ARTIFACT_IDS" # a line for each file
