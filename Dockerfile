# The plugin for Woodpecker, Drone and Harness: docs/hosts/woodpecker.md says how to publish and use it.
FROM python:3.13.7-alpine3.22
# For the commit's time and the list of changes. No version: Alpine keeps only the newest of a release.
RUN apk add --no-cache git
COPY plugin/requirements.txt /opt/buildferry/requirements.txt
RUN python3 -m pip install --no-cache-dir --disable-pip-version-check --root-user-action ignore \
    --only-binary :all: --require-hashes --requirement /opt/buildferry/requirements.txt
COPY plugin /opt/buildferry/plugin
# The command, for steps with `commands:`. No shell: it would drop variables with a hyphen, as Drone sets them.
RUN python3 -m compileall -q /opt/buildferry/plugin \
    && printf '%s\n' '#!/usr/local/bin/python3 -IuXutf8' 'import runpy' \
    'runpy.run_path("/opt/buildferry/plugin/__main__.py", run_name="__main__")' >/usr/local/bin/buildferry \
    && chmod -R a+rX,go-w /opt/buildferry \
    && chmod 0755 /usr/local/bin/buildferry
ENV PLUGIN_HOST=woodpecker
# No USER: the workspace that Docker makes belongs to root, and the step writes its outputs and downloads there. Nothing
# needs root, though: in a workspace that another user may write to, run it as that user.
ENTRYPOINT ["buildferry", "run"]
