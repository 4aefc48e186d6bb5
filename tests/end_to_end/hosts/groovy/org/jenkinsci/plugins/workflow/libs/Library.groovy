package org.jenkinsci.plugins.workflow.libs

/** Loads a shared library in Jenkins; the harness has ours loaded already. */
@interface Library {
    String[] value()
}
