#!/usr/bin/env bash
# The Bitrise step's entry. It ends in `exec`, so that what Bitrise stops is buildferry itself.
PLUGIN_HOST=bitrise exec sh "$(dirname "${BASH_SOURCE[0]}")/plugin/launch.sh" run
